//! Whether a volume key is the one that this database was made with.
//!
//! Owns the row of the `volume` table: a key that opens nothing, wrapped under the volume key at a place that no
//! container has. Without it a wrong key file would be noticed at the first read, as damage.

use crypto::{Container, ContainerPlace, Context, Key, Random, Volume, Wrapped};
use serde_json::json;
use store::{Batch, Cause, CommitError, Store, StoreError};

use crate::rows::VOLUME;

/// The key of the only row.
const CHECK: &str = "check";
/// No container is here: ids are never zero.
const NOWHERE: ContainerPlace = ContainerPlace { tenant: [0; 16], container: [0; 16], generation: 0 };

/// Whether the volume key opens what the first start wrapped under it; the first start wraps it.
pub async fn is_volume_key_of(
    store: &Store,
    volume: &Key<Volume>,
    random: &dyn Random,
) -> Result<bool, StoreError> {
    let context = Context::container_under_volume(&NOWHERE);
    if let Some(row) = store.read(VOLUME, CHECK).await? {
        let wrapped = Wrapped::<Container>::from_bytes(row.payload.unwrap_or_default().to_vec());
        return Ok(volume.unwrap(&wrapped, &context).is_ok());
    }
    let wrapped = volume.wrap(&Key::<Container>::generate(random), &context, random);
    let batch = Batch::new().expect_absent(VOLUME, CHECK).put_with_payload(
        VOLUME,
        CHECK,
        &json!({ "v": 1 }),
        wrapped.as_bytes().to_vec(),
    );
    let cause = Cause::Housekeeping("what the volume key is checked against at every start");
    match store.commit(batch, cause).await {
        Ok(()) => Ok(true),
        Err(CommitError::Store(error)) => Err(error),
        Err(CommitError::Conflict { .. }) => Err(StoreError::Locked("another process makes it".into())),
    }
}

#[cfg(test)]
mod tests {
    use crypto::testing::SeededRandom;
    use store::Schema;

    use super::*;

    #[tokio::test]
    async fn the_key_of_the_first_start_fits_ever_after_and_no_other_does() {
        const SCHEMA: Schema = Schema { owner: "test", version: 1, tables: &[VOLUME], migrations: &[] };
        let ((store, _faults), random) = (Store::memory(&SCHEMA), SeededRandom::new(7));
        let (key, other) = (Key::<Volume>::generate(&random), Key::<Volume>::generate(&random));
        for _ in 0..2 {
            assert_eq!(is_volume_key_of(&store, &key, &random).await, Ok(true));
        }
        assert_eq!(is_volume_key_of(&store, &other, &random).await, Ok(false));
        let batch = Batch::new().put(VOLUME, CHECK, &json!({ "v": 1 }));
        store.commit(batch, Cause::Housekeeping("an edit by hand")).await.expect("edited");
        assert_eq!(is_volume_key_of(&store, &key, &random).await, Ok(false));
    }
}
