#!/usr/bin/env bash
# Runs every client in the lab around it; each prints one line of JSON for each case. Started by `cargo xtask e2e azure`.
set -euo pipefail
folder=$(dirname "$0")
"$E2E_PYTHON" "$folder/python/world.py"
# All at once: most of the time goes into starting them.
running=()
"$E2E_PYTHON" "$folder/python/keys.py" python & running+=($!)
"$E2E_PYTHON" "$folder/python/keys.py" python-aio & running+=($!)
node "$folder/node/keys.js" & running+=($!)
bash "$folder/az/keys.sh" & running+=($!)
for one in "${running[@]}"; do wait "$one"; done
# Last and alone: it moves the lab's clock.
"$E2E_PYTHON" "$folder/python/raw.py"
