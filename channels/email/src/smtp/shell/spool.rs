//! The octets of a mail while they come: in memory, and above a bound in a file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// A whole mail.
#[derive(Debug)]
pub enum Content {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file that goes away with this value.
    File {
        /// Where it is.
        file: SpoolFile,
        /// How long it is.
        bytes: u64,
    },
}

impl Content {
    /// How many octets it has.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File { bytes, .. } => *bytes,
        }
    }

    /// All of it, in memory; whoever asks has bounded how many do so at once.
    pub async fn read(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Memory(bytes) => Ok(bytes),
            Self::File { file, .. } => tokio::fs::read(&file.0).await,
        }
    }
}

/// A file of the spool folder; removed with the value.
#[derive(Debug)]
pub struct SpoolFile(PathBuf);

impl Drop for SpoolFile {
    fn drop(&mut self) {
        // What cannot be removed now is removed when the gateway starts again.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A mail that is coming.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    memory_bytes_max: usize,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Memory(Vec<u8>),
    File {
        open: File,
        file: SpoolFile,
        bytes: u64,
    },
    /// It could not be kept; told when it is whole.
    Lost(io::Error),
}

impl Spool {
    pub(super) fn new(folder: &Path, memory_bytes_max: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            memory_bytes_max,
            kept: Kept::Memory(Vec::new()),
        }
    }

    pub(super) async fn write(&mut self, octets: &[u8]) {
        if let Err(error) = self.try_write(octets).await {
            self.kept = Kept::Lost(error);
        }
    }

    async fn try_write(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.kept {
            Kept::Memory(kept) if kept.len() + octets.len() <= self.memory_bytes_max => {
                kept.extend_from_slice(octets);
            }
            Kept::Memory(kept) => {
                let kept = std::mem::take(kept);
                let (mut open, file) = create(&self.folder).await?;
                open.write_all(&kept).await?;
                open.write_all(octets).await?;
                self.kept = Kept::File {
                    open,
                    file,
                    bytes: count(&kept) + count(octets),
                };
            }
            Kept::File { open, bytes, .. } => {
                open.write_all(octets).await?;
                *bytes += count(octets);
            }
            Kept::Lost(_) => {}
        }
        Ok(())
    }

    pub(super) async fn finish(self) -> io::Result<Content> {
        match self.kept {
            Kept::Memory(kept) => Ok(Content::Memory(kept)),
            Kept::File {
                mut open,
                file,
                bytes,
            } => {
                // The last write may still be under way, and fail.
                open.flush().await?;
                Ok(Content::File { file, bytes })
            }
            Kept::Lost(error) => Err(error),
        }
    }
}

async fn create(folder: &Path) -> io::Result<(File, SpoolFile)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("{}-{number}.mail", std::process::id()));
    let open = File::create(&path).await?;
    Ok((open, SpoolFile(path)))
}

fn count(octets: &[u8]) -> u64 {
    u64::try_from(octets.len()).unwrap_or(u64::MAX)
}
