//! Reading: the whole of an object or a range of it, blob by blob.
//!
//! Owns [`Download`]. The lease is asked again for every blob, after its bytes were fetched and before they
//! are opened; no more than a sealed piece and its content are held at a time, and the content out of the budget. A version that is replaced
//! while it is read ends in `Conflict`, never in bytes of two versions.

use std::ops::Range;

use bytes::Bytes;
use crypto::{Container, HEADER_LEN, Key};
use futures::Stream;
use futures::stream::try_unfold;
use model::caller::Caller;
use model::id::{ContainerId, ObjectId};
use model::refusal::{Code, Refusal};
use store::StoreError;

use crate::blob::Address;
use crate::budget::{WAIT, WAIT_MIDWAY};
use crate::engine::{Engine, Found};
use crate::fault::{damaged, trouble};
use crate::lease::KeyInUse;
use crate::object::{BLOB, BLOB_HEAD, Entry, ObjectRow, Place, Stored, open_details, take_wrap};

/// An object that is being read; it is cut when custody does not renew the lease on its key.
pub struct Download {
    /// The object, as a list shows it.
    pub entry: Entry,
    /// The bytes that will come; clipped to the object's size.
    pub range: Range<u64>,
    engine: Engine,
    place: Place,
    row: ObjectRow,
    key: KeyInUse,
    /// The sealed content, where it sits in the row.
    content: Option<Stored>,
    next: u64,
    /// The longest piece.
    longest: u64,
}

impl Engine {
    /// Opens an object to read all of it or a range; a range that begins beyond the end is refused.
    pub async fn read(
        &self,
        caller: &Caller,
        container: ContainerId,
        object: ObjectId,
        wanted: Option<Range<u64>>,
    ) -> Result<Download, Refusal> {
        self.ready_holder(caller, container).await?;
        let place = Place { tenant: caller.tenant, container, object };
        let Found { row, payload, .. } = self.object_row(&place).await?;
        let mut key = KeyInUse::to_open(&self.keys, caller, container, row.generation).await?;
        let (details, _) = key.with(|key| open_details(key, &place, &row, &payload.details)).await??;
        let entry = row.entry(object, Ok(details));
        let (range, content) = (0..row.size, payload.content);
        let whole = Download {
            entry,
            range,
            engine: self.clone(),
            place,
            row,
            key,
            content,
            next: 0,
            longest: BLOB as u64,
        };
        match wanted {
            Some(range) => whole.only(range),
            None => Ok(whole),
        }
    }
}

impl Download {
    /// These bytes of it alone, clipped to the object's size; a range that begins beyond the end is refused.
    pub fn only(mut self, range: Range<u64>) -> Result<Self, Refusal> {
        let (start, size) = (range.start, self.row.size);
        if start >= range.end {
            return Err(Refusal::new(Code::BadRequest, "range: it must begin before its end"));
        }
        if start >= size {
            let rule =
                format!("range: the object has {size} bytes, counted from 0, and it begins at {start}");
            return Err(Refusal::new(Code::BadRequest, rule));
        }
        self.range = range.start..range.end.min(size);
        self.next = range.start;
        Ok(self)
    }

    /// In pieces of at most this length, which a slow client holds one of.
    pub fn in_pieces_of(mut self, longest: usize) -> Self {
        self.longest = (longest as u64).clamp(1, BLOB as u64);
        self
    }

    /// The next piece, at most 8 MiB; `None` after the last.
    ///
    /// After a refusal the content is incomplete; asking again tries the same piece again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        if self.next >= self.range.end {
            return Ok(None);
        }
        let number = u16::try_from(self.next / BLOB as u64).expect("an object has at most 32,768 blobs");
        let start = u64::from(number) * BLOB as u64;
        let from = self.next - start;
        let wanted = from..self.row.blob_len(number).min(self.range.end - start).min(from + self.longest);
        let end = start + wanted.end;
        let wait = if self.next == self.range.start { WAIT } else { WAIT_MIDWAY };
        let share = self.engine.budget.share(self.place.tenant, (wanted.end - from) as usize, wait).await?;
        let piece = match self.content.clone() {
            Some(content) => self.open_in_row(&content, wanted).await,
            None if wanted == (0..self.row.blob_len(number)) => self.open_blob(number).await,
            None => self.open_range(number, wanted).await,
        }?;
        self.next = end;
        Ok(Some(share.carried_by(piece)))
    }

    /// The pieces as a stream; it ends after the first refusal.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Refusal>> + Send {
        try_unfold(
            self,
            |mut download| async move { Ok(download.next().await?.map(|piece| (piece, download))) },
        )
    }

    /// All pieces in one; for objects that are known to be small.
    pub async fn bytes(mut self) -> Result<Bytes, Refusal> {
        let mut all = Vec::new();
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
    }

    async fn open_in_row(&mut self, content: &Stored, wanted: Range<u64>) -> Result<Bytes, Refusal> {
        let place = self.place.blob(self.row.generation, self.row.attempt, 0);
        let content = self.key.with(|key| content.open(key, &place)).await?.map_err(|_| self.damaged())?;
        self.part(0, content, wanted)
    }

    async fn open_blob(&mut self, number: u16) -> Result<Bytes, Refusal> {
        let name = self.address(number).name();
        let mut file = self.found(self.engine.blobs.read(&name).await).await?;
        let place = self.place.blob(self.row.generation, self.row.attempt, number);
        let dek = take_wrap(&mut file).ok_or_else(|| self.damaged())?;
        let content = self.key.with_blocking(move |key| key.open(&dek, &file, &place)).await?;
        self.part(number, content.map_err(|_| self.damaged())?, 0..self.row.blob_len(number))
    }

    async fn open_range(&mut self, number: u16, wanted: Range<u64>) -> Result<Bytes, Refusal> {
        let name = self.address(number).name();
        let place = self.place.blob(self.row.generation, self.row.attempt, number);
        let head = 0..(BLOB_HEAD + HEADER_LEN) as u64;
        let mut head = self.found(self.engine.blobs.read_range(&name, head).await).await?;
        let dek = take_wrap(&mut head).ok_or_else(|| self.damaged())?;
        let header: &[u8; HEADER_LEN] = head.as_ref().try_into().map_err(|_| self.damaged())?;
        let len = self.row.blob_len(number);
        let open = |key: &Key<Container>| key.open_range(&dek, &place, header, wanted.clone(), len);
        let range = self.key.with(open).await?.map_err(|_| self.damaged())?;
        let sealed = range.ciphertext();
        let sealed = sealed.start + BLOB_HEAD as u64..sealed.end + BLOB_HEAD as u64;
        let sealed = self.found(self.engine.blobs.read_range(&name, sealed).await).await?;
        // The DEK that was opened above serves for as long as the lease does, and no longer.
        let content = self.key.with_blocking(move |_| range.open(&sealed)).await?;
        content.map(Bytes::from).map_err(|_| self.damaged())
    }

    /// The wanted part of a blob, which must be as long as the row says.
    fn part(&self, number: u16, content: Vec<u8>, wanted: Range<u64>) -> Result<Bytes, Refusal> {
        if content.len() as u64 != self.row.blob_len(number) {
            return Err(self.damaged());
        }
        // Within the length that was just compared, which is one of a Vec.
        Ok(Bytes::from(content).slice(wanted.start as usize..wanted.end as usize))
    }

    fn address(&self, number: u16) -> Address {
        Address { place: self.place, attempt: self.row.attempt, number }
    }

    fn damaged(&self) -> Refusal {
        damaged(&self.place, "content is not what was sealed")
    }

    /// A blob that was read, or why it is not there: its version was replaced or deleted, or it is lost.
    async fn found(&self, read: Result<Option<Bytes>, StoreError>) -> Result<Bytes, Refusal> {
        if let Some(bytes) = read.map_err(trouble)? {
            return Ok(bytes);
        }
        if self.engine.object_row(&self.place).await?.row.attempt == self.row.attempt {
            return Err(damaged(&self.place, "content is missing"));
        }
        let object = self.place.object;
        Err(Refusal::new(Code::Conflict, format!("object {object} was replaced while it was read")))
    }
}
