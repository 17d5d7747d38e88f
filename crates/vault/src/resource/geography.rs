//! Which regions lie in one geography: a key's backup comes back in the geography that it was made in.
//!
//! Owns the table. A region that it does not know, for example one of an operator's own, is a geography of its own.

use serde_json::{Value, json};

use crate::id::SubscriptionId;
use crate::resource::Done;

/// The geography of a region, both in lower case without spaces.
pub(crate) fn of(region: &str) -> &str {
    TABLE.iter().find(|(_, regions)| regions.contains(&region)).map_or(region, |(geography, _)| geography)
}

/// The regions as a subscription lists them. A vault may be made in any other region too, for an operator names his own.
pub(crate) fn list(subscription: SubscriptionId) -> Done {
    let regions =
        TABLE.iter().flat_map(|(geography, regions)| regions.iter().map(move |name| (geography, name)));
    let shape = |(geography, name): (&&str, &&str)| {
        json!({
            "id": format!("/subscriptions/{subscription}/locations/{name}"),
            "name": name,
            "type": "Region",
            "displayName": name,
            "regionalDisplayName": name,
            "metadata": { "regionType": "Physical", "geography": geography },
        })
    };
    Done::ok(json!({ "value": regions.map(shape).collect::<Vec<Value>>() }))
}

#[rustfmt::skip]
const TABLE: &[(&str, &[&str])] = &[
    ("asiapacific", &["eastasia", "southeastasia"]),
    ("australia", &["australiacentral", "australiacentral2", "australiaeast", "australiasoutheast"]),
    ("brazil", &["brazilsouth", "brazilsoutheast"]),
    ("canada", &["canadacentral", "canadaeast"]),
    ("europe", &["northeurope", "westeurope"]),
    ("france", &["francecentral", "francesouth"]),
    ("germany", &["germanynorth", "germanywestcentral"]),
    ("india", &["centralindia", "jioindiacentral", "jioindiawest", "southindia", "westindia"]),
    ("japan", &["japaneast", "japanwest"]),
    ("korea", &["koreacentral", "koreasouth"]),
    ("norway", &["norwayeast", "norwaywest"]),
    ("southafrica", &["southafricanorth", "southafricawest"]),
    ("sweden", &["swedencentral", "swedensouth"]),
    ("switzerland", &["switzerlandnorth", "switzerlandwest"]),
    ("uae", &["uaecentral", "uaenorth"]),
    ("unitedkingdom", &["uksouth", "ukwest"]),
    ("unitedstates", &[
        "centralus", "eastus", "eastus2", "eastus3", "northcentralus", "southcentralus", "westcentralus", "westus",
        "westus2", "westus3",
    ]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_lies_in_one_geography() {
        assert_eq!(of("westeurope"), of("northeurope"));
        assert_ne!(of("westeurope"), of("francecentral"));
        assert_eq!(of("cellar"), "cellar");
        let mut all: Vec<&str> = TABLE.iter().flat_map(|(_, regions)| regions.iter().copied()).collect();
        let geographies = TABLE.iter().map(|(geography, _)| *geography);
        all.extend(geographies);
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "no region is in two, and none has the name of a geography");
    }
}
