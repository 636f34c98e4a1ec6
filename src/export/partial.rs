//! A file that has its name only when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// A file in the making, beside the place where it will stand; dropped before [`Partial::finish`] it goes.
#[derive(Debug)]
pub struct Partial {
    made: PathBuf,
    path: PathBuf,
    is_finished: bool,
}

impl Partial {
    /// Makes it, with what writes to it.
    pub fn create(path: &Path) -> io::Result<(Self, File)> {
        let name = path.file_name().ok_or_else(|| {
            let sentence = format!("{} does not name a file", path.display());
            io::Error::new(io::ErrorKind::InvalidInput, sentence)
        })?;
        let mut made = std::ffi::OsString::from(".");
        made.push(name);
        made.push(format!(".{:016x}.part", rand::random::<u64>()));
        let made = path.with_file_name(made);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&made)?;
        let partial = Self {
            made,
            path: path.to_owned(),
            is_finished: false,
        };
        Ok((partial, file))
    }

    /// Gives it its name, in place of whatever had it.
    pub fn finish(mut self) -> io::Result<()> {
        fs::rename(&self.made, &self.path)?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_finished {
            // There is nobody to tell; its name says what it is.
            let _ = fs::remove_file(&self.made);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringdown_harness::place::Folder;
    use std::io::Write;

    fn names(folder: &Folder) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let folder = Folder::new();
        let path = folder.path().join("events.parquet");
        fs::write(&path, "the one before").unwrap();
        let (partial, mut file) = Partial::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"the one before");
        drop(partial);
        assert_eq!(names(&folder), ["events.parquet"]);
        assert_eq!(fs::read(&path).unwrap(), b"the one before");
        let (partial, mut file) = Partial::create(&path).unwrap();
        file.write_all(b"whole").unwrap();
        partial.finish().unwrap();
        assert_eq!(names(&folder), ["events.parquet"]);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }
}
