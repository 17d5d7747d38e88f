//! Whether a folder lies on a disk that Linux encrypts (dm-crypt), as far as the kernel tells.
//!
//! Owns the way from a path over its mount to the block devices beneath. Read from /proc and /sys below a given
//! root, so that a test can bring its own kernel.

use std::fs;
use std::path::{Path, PathBuf};

/// Devices that may lie under one another before we stop looking.
const MAX_DEPTH: usize = 16;

/// What the kernel tells about the disk under a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encryption {
    /// Everything under the folder goes through dm-crypt.
    On(String),
    /// Some of it does not.
    Off(String),
    /// It cannot be told.
    Unknown(String),
}

/// Looks at the disk under `folder`, or under the nearest folder above it that exists.
pub(super) fn encryption(folder: &Path, system: &Path) -> Encryption {
    let Some(folder) = existing(folder) else {
        return Encryption::Unknown("there is no folder to look at".into());
    };
    let mounts = match fs::read_to_string(system.join("proc/self/mountinfo")) {
        Ok(mounts) => mounts,
        Err(error) => return Encryption::Unknown(format!("the mounts cannot be read: {error}")),
    };
    let above = mounts.lines().filter_map(Mount::parse).filter(|mount| folder.starts_with(&mount.point));
    // The longest is the nearest; of several at one point the last covers the others, and `max_by_key` takes it.
    let Some(mount) = above.max_by_key(|mount| mount.point.as_os_str().len()) else {
        return Encryption::Unknown(format!("no mount holds {}", folder.display()));
    };
    let (kind, device) = (mount.kind, mount.device);
    let shown = mount.point.display();
    if matches!(kind.as_str(), "tmpfs" | "ramfs") {
        return Encryption::Off(format!("{shown} is memory ({kind}), which may be swapped to a disk"));
    }
    let block = system.join("sys/dev/block").join(&device);
    if !block.exists() {
        return Encryption::Unknown(format!(
            "{shown} is {kind}, which lies on no block device that can be looked at"
        ));
    }
    match encrypted(&block, MAX_DEPTH) {
        Some(true) => Encryption::On(format!("{shown} ({kind}) lies on dm-crypt")),
        Some(false) => {
            Encryption::Off(format!("{shown} ({kind}) lies on a disk that this machine does not encrypt"))
        }
        None => Encryption::Unknown(format!("the devices under {shown} ({kind}) cannot be followed")),
    }
}

/// Whether all that lies under a block device is encrypted by it or by what is beneath it.
fn encrypted(block: &Path, depth: usize) -> Option<bool> {
    if depth == 0 {
        return None;
    }
    if fs::read_to_string(block.join("dm/uuid")).is_ok_and(|uuid| uuid.starts_with("CRYPT-")) {
        return Some(true);
    }
    let slaves = match fs::read_dir(block.join("slaves")) {
        Ok(slaves) => slaves,
        // A partition has none of its own.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    let beneath: Option<Vec<bool>> =
        slaves.map(|slave| encrypted(&slave.ok()?.path(), depth - 1)).collect::<Option<_>>();
    beneath.map(|beneath| !beneath.is_empty() && beneath.into_iter().all(|encrypted| encrypted))
}

fn existing(folder: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(folder).ok()?;
    absolute.ancestors().find_map(|above| above.canonicalize().ok())
}

/// One line of /proc/self/mountinfo.
struct Mount {
    device: String,
    point: PathBuf,
    kind: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(2);
        let device = left.next()?.to_owned();
        let point = PathBuf::from(unescape(left.nth(1)?));
        Some(Self { device, point, kind: right.split(' ').next()?.to_owned() })
    }
}

/// The kernel writes a space in a path as `\040`, and three other characters likewise.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A kernel with one mount of `kind` at the folder's own place, on device 253:0.
    struct Kernel(TempDir);

    impl Kernel {
        fn new(kind: &str) -> Self {
            let kernel = Self(TempDir::new().expect("a folder"));
            let data = kernel.data();
            fs::create_dir_all(&data).expect("made");
            let lines = format!(
                "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                 23 22 253:0 / {} rw shared:2 - {kind} /dev/mapper/data rw\n",
                data.canonicalize().expect("a path").display()
            );
            kernel.file("proc/self/mountinfo", &lines);
            kernel
        }

        fn data(&self) -> PathBuf {
            self.0.path().join("data")
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        }

        fn answer(&self) -> Encryption {
            encryption(&self.data().join("not/yet"), self.0.path())
        }
    }

    #[test]
    fn a_disk_under_dm_crypt_is_encrypted_also_through_a_volume_group() {
        let kernel = Kernel::new("ext4");
        kernel.file("sys/dev/block/253:0/dm/uuid", "CRYPT-LUKS2-abc-data\n");
        assert!(matches!(kernel.answer(), Encryption::On(_)));
        let kernel = Kernel::new("xfs");
        kernel.file("sys/dev/block/253:0/dm/uuid", "LVM-abc\n");
        kernel.file("sys/dev/block/253:0/slaves/dm-1/dm/uuid", "CRYPT-LUKS2-abc\n");
        assert!(matches!(kernel.answer(), Encryption::On(_)));
    }

    #[test]
    fn one_plain_disk_among_encrypted_ones_is_not_encrypted() {
        let kernel = Kernel::new("xfs");
        kernel.file("sys/dev/block/253:0/dm/uuid", "LVM-abc\n");
        kernel.file("sys/dev/block/253:0/slaves/dm-1/dm/uuid", "CRYPT-LUKS2-abc\n");
        kernel.file("sys/dev/block/253:0/slaves/sdb1/size", "1\n");
        assert!(matches!(kernel.answer(), Encryption::Off(_)));
    }

    #[test]
    fn a_plain_disk_and_memory_are_not_encrypted() {
        let kernel = Kernel::new("ext4");
        kernel.file("sys/dev/block/253:0/size", "1\n");
        assert!(matches!(kernel.answer(), Encryption::Off(_)));
        assert!(matches!(Kernel::new("tmpfs").answer(), Encryption::Off(_)));
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_unknown_and_not_fine() {
        assert!(matches!(Kernel::new("nfs4").answer(), Encryption::Unknown(_)));
        let silent = TempDir::new().expect("a folder");
        assert!(matches!(encryption(silent.path(), silent.path()), Encryption::Unknown(_)));
    }

    #[test]
    fn the_mount_of_a_path_with_a_space_is_found() {
        let mount =
            Mount::parse("23 22 253:0 / /mnt/my\\040disk rw - ext4 /dev/mapper/data rw").expect("a mount");
        assert_eq!(mount.point, Path::new("/mnt/my disk"));
        assert_eq!((mount.device.as_str(), mount.kind.as_str()), ("253:0", "ext4"));
    }
}
