#!/usr/bin/env bash
# The command line of Azure, unchanged: what an administrator of vaults and an officer of keys do.
set -uo pipefail
export AZURE_CORE_COLLECT_TELEMETRY=false AZURE_CORE_ONLY_SHOW_ERRORS=true AZURE_CORE_OUTPUT=tsv
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
vault=e2e-az

az() { "$E2E_AZ" -m azure.cli "$@"; }

tell() { # claims ok detail
  local claim
  for claim in $1; do
    "$E2E_PYTHON" -c 'import json, os, sys
line = {"client": "az", "claim": sys.argv[1], "ok": sys.argv[2] == "true", "detail": sys.argv[3]}
os.write(1, (json.dumps(line) + "\n").encode())' \
      "$claim" "$2" "$3"
  done
}

holds() { # claims wanted arguments: the command answers with exactly this
  local claims=$1 wanted=$2 found
  shift 2
  found=$(az "$@" 2>"$folder/errors")
  if [[ $? == 0 && $found == "$wanted" ]]; then tell "$claims" true ""
  else tell "$claims" false "az $*: $found is not $wanted: $(cat "$folder/errors")"; fi
}

refused() { # claims words arguments: the command is refused in these words
  local claims=$1 words=$2
  shift 2
  if az "$@" >"$folder/errors" 2>&1; then tell "$claims" false "az $*: it was not refused"
  elif grep -qF -- "$words" "$folder/errors"; then tell "$claims" true ""
  else tell "$claims" false "az $*: $words is not in: $(cat "$folder/errors")"; fi
}

key() { az keyvault key "$@"; }

holds arm-login "$AZURE_CLIENT_ID" login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" \
  --tenant "$AZURE_TENANT_ID" --query "[0].user.name"
az account set --subscription 11111111-1111-4111-8111-111111111111
holds arm-group Succeeded group create -n e2e-az -l westeurope --query properties.provisioningState
holds arm-provider "" provider register -n Microsoft.KeyVault
holds arm-vault-create Succeeded keyvault create -n $vault -g e2e-az -l westeurope --sku premium --retention-days 7 \
  --query properties.provisioningState
holds arm-vault-show premium keyvault show -n $vault -g e2e-az --query properties.sku.name
scope=/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/e2e-az/providers/Microsoft.KeyVault/vaults/$vault
me=$("$E2E_PYTHON" -c 'import sys; sys.path.insert(0, sys.argv[1]); import lab, base64, json
body = lab.token().split(".")[1]; print(json.loads(base64.urlsafe_b64decode(body + "=="))["oid"])' "$(dirname "$0")/../python")
holds arm-role ServicePrincipal role assignment create --assignee-object-id "$me" \
  --assignee-principal-type ServicePrincipal --role "Key Vault Crypto Officer" --scope $scope --query principalType

holds create RSA keyvault key create --vault-name $vault -n k --kty RSA --size 2048 --query key.kty
holds create EC-HSM keyvault key create --vault-name $vault -n e --kty EC-HSM --curve P-384 --query key.kty
holds get RSA keyvault key show --vault-name $vault -n k --query key.kty
holds list 2 keyvault key list --vault-name $vault --query "length(@)"
holds versions 1 keyvault key list-versions --vault-name $vault -n k --query "length(@)"
holds update b keyvault key set-attributes --vault-name $vault -n k --tags a=b --query tags.a
closed=$(key encrypt --vault-name $vault -n k --algorithm RSA-OAEP-256 --value c2VjcmV0 --data-type base64 --query result 2>"$folder/errors")
holds decrypt c2VjcmV0 keyvault key decrypt --vault-name $vault -n k --algorithm RSA-OAEP-256 --value "$closed" \
  --data-type base64 --query result
digest=$(printf paper | openssl dgst -sha256 -binary | base64)
if [[ -n $(key sign --vault-name $vault -n k --algorithm RS256 --digest "$digest" --query signature 2>"$folder/errors") ]]
then tell sign true ""; else tell sign false "$(cat "$folder/errors")"; fi
if key backup --vault-name $vault -n k -f "$folder/k.backup" >"$folder/errors" 2>&1 && [[ -s $folder/k.backup ]]
then tell backup true ""; else tell backup false "$(cat "$folder/errors")"; fi
first=$(key show --vault-name $vault -n k --query key.kid)
second=$(key rotate --vault-name $vault -n k --query key.kid 2>"$folder/errors")
if [[ -n $second && $second != "$first" ]]; then tell rotate true ""
else tell rotate false "$second: $(cat "$folder/errors")"; fi
holds rotation-policy-set P2Y keyvault key rotation-policy update --vault-name $vault -n k \
  --value '{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"Rotate"}}],"attributes":{"expiryTime":"P2Y"}}' \
  --query expiresIn
holds rotation-policy-get P2Y keyvault key rotation-policy show --vault-name $vault -n k --query expiresIn
holds delete RSA keyvault key delete --vault-name $vault -n k --query key.kty
holds get-deleted RSA keyvault key show-deleted --vault-name $vault -n k --query key.kty
holds list-deleted 1 keyvault key list-deleted --vault-name $vault --query "length(@)"
refused name-is-deleted "currently in a deleted but recoverable state" keyvault key create --vault-name $vault -n k --kty RSA
holds recover RSA keyvault key recover --vault-name $vault -n k --query key.kty
refused restore-conflict "There was a conflict restoring the key" keyvault key restore --vault-name $vault -f "$folder/k.backup"
az keyvault key delete --vault-name $vault -n k -o none 2>/dev/null
holds purge "" keyvault key purge --vault-name $vault -n k
holds restore RSA keyvault key restore --vault-name $vault -f "$folder/k.backup" --query key.kty
refused no-key "(name/id) nothing was not found" keyvault key show --vault-name $vault -n nothing
refused no-role "Caller is not authorized" keyvault key show --vault-name e2e-bare -n k
refused no-policy "does not have keys backup permission" keyvault key backup --vault-name e2e-policies -n k -f "$folder/no"
holds arm-policy 1 keyvault set-policy -n e2e-policies -g e2e --object-id "$me" \
  --key-permissions get list create delete sign --query "length(properties.accessPolicies)"
holds arm-vault-update true keyvault update -n $vault -g e2e-az --enable-purge-protection true \
  --query properties.enablePurgeProtection
refused arm-protection-stays "cannot be set to false" keyvault update -n $vault -g e2e-az --enable-purge-protection false
holds arm-feature Pending feature register --namespace Microsoft.Resources --name MandatoryRetentionPeriodEnabled \
  --query properties.state
holds arm-vault-delete "" keyvault delete -n $vault -g e2e-az
holds arm-vault-deleted $vault keyvault list-deleted --resource-type vault --query "[?name=='$vault'].name"
holds arm-vault-recover $vault keyvault recover -n $vault --query name
refused arm-recovered-without-roles "Caller is not authorized" keyvault key show --vault-name $vault -n k
