//! How a scene watches: it reads what was imported, waits for what must happen, and looks into the tenant's record.
//!
//! Nothing here waits for a time to pass: it waits for a refusal, an answer or a record, and says how long that took.

use std::time::{Duration, Instant};

use api::client::{Client, ClientError};
use api::{AuditRecord, Policy};
use model::id::{ContainerId, TenantId};
use model::refusal::Code;
use serde_json::Value;

use super::play::{BOUND, HOLD, Imported, Play};
use super::story::Broken;

/// How long a scene waits for something that must come within a bound: another bound, for a machine that is busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(2 * BOUND + HOLD);
/// How often a scene looks whether something has happened.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// The record of every use of the availability key.
pub(super) const FALLBACK: &str = "Fallback to Availability Key";
/// The record of every call to a vault.
const CALL: &str = "RootKeyCall";

impl Play {
    /// Reads everything that was imported into a container; how many objects equal their source.
    pub(super) async fn read_back(&self, container: ContainerId) -> Result<Read, Broken> {
        let mut read = Read { equal: 0, bytes: 0 };
        for imported in self.imported.iter().filter(|imported| imported.container == container) {
            let bytes = self.answered(self.read(imported).await?)?;
            let source = imported.given.bytes().map_err(Broken::because)?;
            if bytes != source {
                let length = source.len();
                return Err(Broken(format!(
                    "object {} differs from its source of {length} bytes",
                    imported.object
                )));
            }
            read.equal += 1;
            read.bytes += source.len() as u64;
        }
        Ok(read)
    }

    /// Reads one object as somebody does who may read; the bytes, or what was answered instead.
    pub(super) async fn read(&self, imported: &Imported) -> Result<Result<Vec<u8>, ClientError>, Broken> {
        let (client, tenant) = (self.reader()?, self.contoso()?.tenant);
        Ok(read(&client, tenant, imported).await)
    }

    /// Reads again and again until it is refused.
    pub(super) async fn until_refused(
        &self,
        imported: &Imported,
        at_most: Duration,
    ) -> Result<Refused, Broken> {
        let began = Instant::now();
        let mut last = None;
        loop {
            let asked = began.elapsed();
            match self.read(imported).await? {
                Err(refusal) => return Ok(Refused { last, after: began.elapsed(), refusal }),
                Ok(_) => last = Some(asked),
            }
            if asked > at_most {
                return Err(Broken(format!("still readable after {:.1} s", asked.as_secs_f64())));
            }
            self.stage.clock().sleep(LOOK).await;
        }
    }

    /// Reads again and again until it works; how long that took.
    pub(super) async fn until_read(&self, imported: &Imported) -> Result<Duration, Broken> {
        let began = Instant::now();
        loop {
            match self.read(imported).await? {
                Ok(_) => return Ok(began.elapsed()),
                Err(refusal) if began.elapsed() > PATIENCE => return Err(self.because(&refusal)),
                Err(_) => self.stage.clock().sleep(LOOK).await,
            }
        }
    }

    /// Reads again and again until a vault of the customer has opened the policy's key anew; which call did.
    ///
    /// Only a call that was announced after `since` counts: what a vault answered before may be recorded later.
    pub(super) async fn until_opened_anew(
        &self,
        imported: &Imported,
        policy: &Policy,
        since: u64,
    ) -> Result<Value, Broken> {
        let began = Instant::now();
        let policy = policy.id.to_string();
        loop {
            self.answered(self.read(imported).await?)?;
            if let Some(call) = opened_anew(&self.records(CALL, since).await?, &policy) {
                return Ok(call.clone());
            }
            if began.elapsed() > PATIENCE {
                return Err(Broken::because("no key of the customer was asked again"));
            }
            self.stage.clock().sleep(LOOK).await;
        }
    }

    /// The place of the newest audit record.
    pub(super) async fn newest(&self) -> Result<u64, Broken> {
        self.page_through(0, |_| ()).await
    }

    /// Every audit record of this operation after a place.
    pub(super) async fn records(&self, operation: &str, since: u64) -> Result<Vec<Value>, Broken> {
        let mut found = Vec::new();
        self.page_through(since, |record| {
            if record.operation == operation {
                found.push(record.body);
            }
        })
        .await?;
        Ok(found)
    }

    async fn page_through(&self, since: u64, mut each: impl FnMut(AuditRecord)) -> Result<u64, Broken> {
        let (client, tenant) = (self.administrator()?, self.contoso()?.tenant);
        let mut after = since;
        loop {
            let page = self.answered(client.audit(tenant, Some(after), None).await)?;
            let Some(last) = page.records.last() else { return Ok(after) };
            after = last.sequence;
            page.records.into_iter().for_each(&mut each);
        }
    }
}

/// Reads one object to its end.
pub(super) async fn read(
    client: &Client,
    tenant: TenantId,
    imported: &Imported,
) -> Result<Vec<u8>, ClientError> {
    let mut download = client.read_object(tenant, imported.container, imported.object, None).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = download.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// The code of a refusal; none where the service did not refuse.
pub(super) fn code(error: &ClientError) -> Option<Code> {
    match error {
        ClientError::Refused(refusal) => Some(refusal.code),
        _ => None,
    }
}

/// The first of these records that tells of a call, announced among them, by which a customer's key opened the policy.
fn opened_anew<'a>(records: &'a [Value], policy: &str) -> Option<&'a Value> {
    let same = |one: &Value, other: &Value| ["requestId", "slot"].iter().all(|part| one[part] == other[part]);
    let announced =
        |call: &Value| records.iter().any(|record| record["phase"] == "intent" && same(record, call));
    records.iter().find(|record| {
        record["policyId"] == policy
            && record["outcome"] == "unwrapped"
            && record["slot"] != "availability"
            && announced(record)
    })
}

/// What a scene saw that read until it was refused.
#[derive(Debug)]
pub(super) struct Refused {
    /// When the last read that was answered had been asked for.
    pub(super) last: Option<Duration>,
    /// When the refusal came.
    pub(super) after: Duration,
    pub(super) refusal: ClientError,
}

/// What was read back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub(super) equal: u64,
    pub(super) bytes: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_of_before_that_is_recorded_late_opened_nothing_anew() {
        let record = |request: u8, slot: &str, phase: &str, outcome: &str| json!({ "policyId": "p", "requestId": request, "slot": slot, "phase": phase, "outcome": outcome });
        let late = record(1, "first", "outcome", "unwrapped");
        let silent = record(2, "first", "outcome", "unreachable");
        let anew = record(2, "second", "outcome", "unwrapped");
        let intents = ["first", "second"].map(|slot| record(2, slot, "intent", ""));
        let mut records = vec![late, intents[0].clone(), silent, intents[1].clone()];
        assert_eq!(opened_anew(&records, "p"), None);
        records.push(anew.clone());
        assert_eq!(opened_anew(&records, "p"), Some(&anew));
        assert_eq!(opened_anew(&records, "q"), None);
    }
}
