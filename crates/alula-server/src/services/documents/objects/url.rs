//! Where objects are.

use std::{fmt, path::PathBuf, str::FromStr};

use alula::Secret;

/// An address of a store of objects.
#[derive(Debug, Clone)]
pub(crate) enum StorageUrl {
    /// A folder, which is made if it is not there.
    Folder(PathBuf),
    /// Gone with the process.
    Memory,
    /// A bucket of a cloud; the address may hold a password.
    Cloud(Secret<String>),
}

impl Default for StorageUrl {
    fn default() -> Self {
        Self::Folder("data/files".into())
    }
}

impl FromStr for StorageUrl {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = url.split_once(':').ok_or(EXPECTED)?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        match (scheme, path) {
            ("memory", "" | "/") => Ok(Self::Memory),
            ("file", "") => Err("file: names no folder"),
            ("file", path) => Ok(Self::Folder(path.into())),
            ("s3" | "gs" | "az", "") => Err("it names no bucket"),
            ("s3" | "gs" | "az", _) if cfg!(feature = "cloud") => {
                Ok(Self::Cloud(Secret::new(url.to_owned())))
            }
            ("s3" | "gs" | "az", _) => {
                Err("this program was built without the feature `cloud`, which s3, gs and az take")
            }
            _ => Err(EXPECTED),
        }
    }
}

const EXPECTED: &str = "expected file://FOLDER, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or \
                        az://CONTAINER/PREFIX";

/// For people; without what may be secret.
impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "the folder {}", path.display()),
            Self::Memory => f.write_str("the memory of this process"),
            Self::Cloud(url) => {
                let scheme = url.expose().split(':').next().unwrap_or_default();
                write!(f, "a bucket at {scheme}://")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn addresses() {
        let folder = |url: &str| match url.parse() {
            Ok(StorageUrl::Folder(path)) => path,
            other => panic!("{url}: {other:?}"),
        };
        assert_eq!(folder("file://data/files"), Path::new("data/files"));
        assert_eq!(folder("file:///srv/files"), Path::new("/srv/files"));
        assert_eq!(folder("file:files"), Path::new("files"));
        for wrong in ["", "data/files", "file:", "file://", "http://a/b", "s3://"] {
            assert!(wrong.parse::<StorageUrl>().is_err(), "{wrong}");
        }
        let cloud = "s3://canary@bucket/prefix".parse::<StorageUrl>();
        assert_eq!(cloud.is_ok(), cfg!(feature = "cloud"));
        assert!(!format!("{cloud:?}").contains("canary"));
    }
}
