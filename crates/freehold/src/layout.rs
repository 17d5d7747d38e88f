//! The places inside a data folder: which file or folder holds what. Paths alone; nothing is touched here.

use std::path::{Path, PathBuf};

use crate::config::Config;

/// The paths of one data folder, and of the two folders that may lie elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    keys: PathBuf,
    replica: PathBuf,
}

impl Layout {
    /// The layout that the configuration asks for.
    pub fn new(config: &Config) -> Self {
        let root = PathBuf::clone(&config.data);
        let or_inside =
            |chosen: &Option<PathBuf>, name: &str| chosen.clone().unwrap_or_else(|| root.join(name));
        let keys = or_inside(&config.keys_folder.0, "keys");
        let replica = or_inside(&config.wraps_replica.0, "wraps-replica");
        Self { root, keys, replica }
    }

    /// A layout with everything in one folder.
    pub fn inside(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self { keys: root.join("keys"), replica: root.join("wraps-replica"), root }
    }

    /// The data folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every folder, whether it exists or not.
    pub fn folders(&self) -> Vec<PathBuf> {
        let (keys, replica) = (self.keys.clone(), self.replica.clone());
        let parties = [self.service(), self.blobs(), self.wraps(), self.vault(), self.availability_vault()];
        let of_parties = [self.service_keys(), self.vault_keys(), self.availability_keys(), self.handover()];
        let shared = [self.root.clone(), keys, replica, self.tls()];
        shared.into_iter().chain(parties).chain(of_parties).collect()
    }

    /// Whether something right below the root belongs there.
    pub fn is_ours(&self, path: &Path) -> bool {
        if path == self.lab_stamp() {
            return true;
        }
        // Also where the keys or the replica would lie if they had not been told to lie elsewhere.
        self.folders()
            .iter()
            .chain(&Self::inside(&self.root).folders())
            .any(|folder| folder.starts_with(path))
    }

    /// The service's own folder: custody's and the workloads' rows, and blobs.
    pub fn service(&self) -> PathBuf {
        self.root.join("service")
    }

    /// The service's database.
    pub fn service_database(&self) -> PathBuf {
        self.service().join("service.sqlite")
    }

    /// The folder of sealed blobs.
    pub fn blobs(&self) -> PathBuf {
        self.service().join("blobs")
    }

    /// The folder of the wrap sets' database, which is outside general backups: losing it is the purge.
    pub fn wraps(&self) -> PathBuf {
        self.root.join("wraps")
    }

    /// The database of the wrap sets.
    pub fn wraps_database(&self) -> PathBuf {
        self.wraps().join("wraps.sqlite")
    }

    /// The replica of the wrap sets.
    pub fn wraps_replica(&self) -> &Path {
        &self.replica
    }

    /// The key vault's own folder.
    pub fn vault(&self) -> PathBuf {
        self.root.join("vault")
    }

    /// The key vault's database.
    pub fn vault_database(&self) -> PathBuf {
        self.vault().join("vault.sqlite")
    }

    /// The availability vault's own folder.
    pub fn availability_vault(&self) -> PathBuf {
        self.root.join("availability-vault")
    }

    /// The availability vault's database.
    pub fn availability_vault_database(&self) -> PathBuf {
        self.availability_vault().join("vault.sqlite")
    }

    /// The folder of all key files: one folder in it for each party, and one for what a party hands to another.
    pub fn keys(&self) -> &Path {
        &self.keys
    }

    /// The service's own key files.
    pub fn service_keys(&self) -> PathBuf {
        self.keys.join("service")
    }

    /// The key vault's own key files.
    pub fn vault_keys(&self) -> PathBuf {
        self.keys.join("vault")
    }

    /// The availability vault's own key files.
    pub fn availability_keys(&self) -> PathBuf {
        self.keys.join("availability-vault")
    }

    /// What the vaults hand to the service: the client secrets of its applications, and nothing else.
    pub fn handover(&self) -> PathBuf {
        self.keys.join("handover")
    }

    /// The client secret of one of the service's applications.
    pub fn credential(&self, name: &str) -> PathBuf {
        self.handover().join(format!("{name}.secret"))
    }

    /// The client secret that the availability vault is set up with; it is handed to nobody.
    pub fn operator_secret(&self) -> PathBuf {
        self.availability_keys().join("operator.secret")
    }

    /// The operator's token for the service's API.
    pub fn operator_token(&self) -> PathBuf {
        self.service_keys().join("operator.token")
    }

    /// The volume key, under which everything lies that is under no policy.
    pub fn volume_key(&self) -> PathBuf {
        self.service_keys().join("volume.key")
    }

    /// The key vault's master key.
    pub fn vault_master_key(&self) -> PathBuf {
        self.vault_keys().join("master.key")
    }

    /// The availability vault's master key.
    pub fn availability_master_key(&self) -> PathBuf {
        self.availability_keys().join("master.key")
    }

    /// The file that says of a folder, for ever, that it is that of a `freehold lab`.
    pub fn lab_stamp(&self) -> PathBuf {
        self.root.join("lab.json")
    }

    /// The folder of the lab's own authority and certificate.
    pub fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }
}
