//! Something in a file that its owner may renew: read at the start, and again for every token that is asked for.
//!
//! Owns [`Renewed`]. A file that cannot be read in between leaves what was read last in force, and says so in the log.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::secret::NoSecret;

/// A value from a file, never older than the last token that was asked for with it; shared by clones.
pub struct Renewed<T>(Arc<Inner<T>>);

struct Inner<T> {
    source: Option<Source<T>>,
    last: Mutex<Arc<T>>,
}

struct Source<T> {
    path: PathBuf,
    read: fn(&Path) -> Result<T, NoSecret>,
}

impl<T: Send + Sync + 'static> Renewed<T> {
    /// Reads the file; what it holds later is asked for by the same function.
    pub(super) fn read(path: &Path, read: fn(&Path) -> Result<T, NoSecret>) -> Result<Self, NoSecret> {
        let last = Mutex::new(Arc::new(read(path)?));
        Ok(Self(Arc::new(Inner { source: Some(Source { path: path.to_owned(), read }), last })))
    }

    /// A value that nobody renews.
    pub(super) fn fixed(value: T) -> Self {
        Self(Arc::new(Inner { source: None, last: Mutex::new(Arc::new(value)) }))
    }

    /// What the file holds now, or what it held when it could last be read.
    pub(super) async fn now(&self) -> Arc<T> {
        let inner = self.0.clone();
        // A file may lie on a disk that does not answer; the thread that waits for it serves nobody else.
        let asked = tokio::task::spawn_blocking(move || inner.renew());
        asked.await.unwrap_or_else(|_| self.0.last())
    }
}

impl<T> Inner<T> {
    fn renew(&self) -> Arc<T> {
        match self.source.as_ref().map(|source| (source, (source.read)(&source.path))) {
            Some((_, Ok(value))) => {
                let value = Arc::new(value);
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = value.clone();
                return value;
            }
            Some((source, Err(error))) => tracing::warn!(
                path = %source.path.display(),
                %error,
                "the file of a credential cannot be read again: what it held before stays in use"
            ),
            None => {}
        }
        self.last()
    }

    fn last(&self) -> Arc<T> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T> Clone for Renewed<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Renewed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.0.source.as_ref().map(|source| source.path.as_path());
        f.debug_struct("Renewed").field("path", &path).finish_non_exhaustive()
    }
}
