#!/usr/bin/env bash
# The customer's half of Customer Key with `az`: subscriptions that keep what is deleted, two vaults, rights, a key in
# each, a backup of it, and the way back of a key that was deleted. Run it in a lab:
#
#   freehold lab -- e2e/article.azcli.sh
#
# With REGISTER=no the mandatory retention period is not asked for; the last line then says so.
set -euo pipefail

subscriptions=(11111111-1111-4111-8111-111111111111 22222222-2222-4222-8222-222222222222)
locations=(westeurope swedencentral)
vaults=(contoso-a contoso-b)
group=customer-key
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() { echo "article: $*" >&2; }
quietly() { "$@" --output none --only-show-errors; }
me() { az ad sp show --id "$AZURE_CLIENT_ID" --query id --output tsv; }

# The last step of the service request, which Microsoft does for a real subscription.
complete() {
  curl --silent --show-error --fail -X POST -H "Authorization: Bearer $FREEHOLD_LAB_TOKEN" \
    "$FREEHOLD_LAB/subscriptions/$1/registered"
}

step "sign in"
quietly az login --service-principal --username "$AZURE_CLIENT_ID" --password "$AZURE_CLIENT_SECRET" \
  --tenant "$AZURE_TENANT_ID"

for n in 0 1; do
  step "subscription $((n + 1)): providers, retention, a group"
  quietly az account set --subscription "${subscriptions[n]}"
  quietly az provider register --namespace Microsoft.KeyVault --wait
  if [[ ${REGISTER:-yes} != no ]]; then
    quietly az feature register --namespace Microsoft.Resources --name MandatoryRetentionPeriodEnabled
    complete "${subscriptions[n]}"
    state=$(az feature show --namespace Microsoft.Resources --name MandatoryRetentionPeriodEnabled \
      --query properties.state --output tsv)
    [[ $state == Registered ]] || { echo "the feature is $state" >&2; exit 1; }
  fi
  quietly az group create --name $group --location "${locations[n]}"
done

# The first vault goes by access policies, the second by roles.
step "the vaults"
quietly az account set --subscription "${subscriptions[0]}"
quietly az keyvault create --name "${vaults[0]}" --resource-group $group --location "${locations[0]}" --sku premium \
  --retention-days 90 --enable-purge-protection true --enable-rbac-authorization false
quietly az account set --subscription "${subscriptions[1]}"
quietly az keyvault create --name "${vaults[1]}" --resource-group $group --location "${locations[1]}" --sku premium \
  --retention-days 90 --enable-purge-protection true --enable-rbac-authorization true

step "who holds the keys"
quietly az account set --subscription "${subscriptions[0]}"
quietly az keyvault set-policy --name "${vaults[0]}" --resource-group $group --object-id "$(me)" \
  --key-permissions get list create import update delete recover backup restore
quietly az account set --subscription "${subscriptions[1]}"
scope=$(az keyvault show --name "${vaults[1]}" --resource-group $group --query id --output tsv)
quietly az role assignment create --assignee-object-id "$(me)" --assignee-principal-type ServicePrincipal \
  --role "Key Vault Crypto Officer" --scope "$scope"

for n in 0 1; do
  step "a key in ${vaults[n]}: created, backed up, deleted, recovered"
  quietly az account set --subscription "${subscriptions[n]}"
  quietly az keyvault key create --vault-name "${vaults[n]}" --name Key-exchange --kty RSA --size 2048 \
    --ops wrapKey unwrapKey
  az keyvault key backup --vault-name "${vaults[n]}" --name Key-exchange --file "$work/${vaults[n]}.backup"
  [[ -s $work/${vaults[n]}.backup ]]
  quietly az keyvault key delete --vault-name "${vaults[n]}" --name Key-exchange
  quietly az keyvault key show-deleted --vault-name "${vaults[n]}" --name Key-exchange
  quietly az keyvault key recover --vault-name "${vaults[n]}" --name Key-exchange
done

step "what the key says of itself"
az keyvault key show --vault-name "${vaults[1]}" --name Key-exchange --query attributes.recoveryLevel --output tsv
