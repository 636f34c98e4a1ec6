//! The machine: files, limits, clock, disk.

use super::Finding;
use super::stores::existing_folder;
use crate::config::Config;
use crate::report::period;
use ringdown_routing::time::Timestamp;
use std::path::Path;
use std::process::Command;

/// Sockets of a call: RTP and RTCP of two legs.
const FILES_PER_CALL: u64 = 4;

/// Files for everything that is not a call.
const FILES_ELSE: u64 = 256;

/// A smaller receive buffer loses SIP in a burst.
const RECEIVE_BYTES_MIN: u64 = 1_048_576;

/// 2024-01-01: no clock that works is before this.
const CLOCK_MIN: Timestamp = Timestamp::from_seconds(1_704_067_200);

/// Less free space than this fills up within days.
const DISK_KILOBYTES_LOW: u64 = 1_048_576;

/// Less than this, and the next busy hour finds the disk full.
const DISK_KILOBYTES_BAD: u64 = 102_400;

pub(super) fn prompts(config: &Config) -> Vec<Finding> {
    [
        ("prompts", &config.media.prompts),
        ("music", &config.media.music),
    ]
    .into_iter()
    .map(|(name, folder)| match folder {
        None => Finding::good(name, "the built-in ones"),
        Some(folder) => sounds(name, folder),
    })
    .collect()
}

fn sounds(name: &str, path: &Path) -> Finding {
    if !path.exists() {
        let found = format!("{} is not there", path.display());
        return Finding::bad(
            name,
            found,
            format!("correct [media] {name}, or leave it out for the built-in ones"),
        );
    }
    match count_sounds(path, 0) {
        Ok(0) => Finding::bad(
            name,
            format!("no WAV file in {}", path.display()),
            "put WAV files there",
        ),
        Ok(files) => Finding::good(name, format!("{files} WAV files in {}", path.display())),
        Err(error) => Finding::bad(
            name,
            format!("{}: {error}", path.display()),
            "let the gateway's user read it",
        ),
    }
}

/// Files ending in `.wav`, at most two folders deep (language, then prompt).
fn count_sounds(path: &Path, depth: u8) -> std::io::Result<usize> {
    let is_sound = |path: &Path| {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("wav"))
    };
    if path.is_file() {
        return Ok(usize::from(is_sound(path)));
    }
    let mut count = 0;
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() && depth < 2 {
            count += count_sounds(&path, depth + 1)?;
        } else if is_sound(&path) {
            count += 1;
        }
    }
    Ok(count)
}

pub(super) fn files(config: &Config) -> Finding {
    let limits = &config.limits;
    let wanted = u64::from(limits.calls_max) * FILES_PER_CALL
        + u64::from(limits.connections_max)
        + FILES_ELSE;
    let Some(limit) = std::fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|text| open_files(&text))
    else {
        return Finding::good("open files", "this system does not tell its limit");
    };
    if limit >= wanted {
        return Finding::good(
            "open files",
            format!("limit {limit}, at most {wanted} are wanted"),
        );
    }
    Finding::warning(
        "open files",
        format!(
            "limit {limit}, but {wanted} are wanted for limits.calls_max and limits.connections_max"
        ),
        format!(
            "raise it (`ulimit -n {wanted}`, LimitNOFILE= of the service), or lower the limits"
        ),
    )
}

/// The soft limit of `/proc/self/limits`; proc(5).
fn open_files(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

pub(super) fn receive_buffer() -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/sys/net/core/rmem_max").ok()?;
    let bytes: u64 = text.trim().parse().ok()?;
    let found = format!("net.core.rmem_max is {bytes}");
    Some(if bytes < RECEIVE_BYTES_MIN {
        let advice =
            format!("for many calls at once: `sysctl -w net.core.rmem_max={RECEIVE_BYTES_MIN}`");
        Finding::warning("receive buffer", found, advice)
    } else {
        Finding::good("receive buffer", found)
    })
}

pub(super) fn clock(config: &Config) -> Finding {
    let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    let zone = &config.site.time_zone;
    let found = format!("{} ({})", period::local(now, zone.time_zone()), zone.name());
    if now < CLOCK_MIN {
        return Finding::bad(
            "clock",
            found,
            "set the clock by NTP: waits, hours and statistics follow it",
        );
    }
    Finding::good("clock", found)
}

pub(super) fn disk(config: &Config) -> Finding {
    let folder = existing_folder(&config.data_dir.join("x"));
    let told = Command::new("df")
        .arg("-Pk")
        .arg(&folder)
        .output()
        .ok()
        .filter(|output| output.status.success());
    let free = told.and_then(|output| free_kilobytes(&String::from_utf8_lossy(&output.stdout)));
    let Some(free) = free else {
        return Finding::warning(
            "disk",
            format!("`df` tells nothing of {}", folder.display()),
            "look yourself",
        );
    };
    let found = format!("{} MB free in {}", free / 1_024, folder.display());
    let advice = "free some space, or set data_dir on a larger disk";
    match free {
        0..DISK_KILOBYTES_BAD => Finding::bad("disk", found, advice),
        DISK_KILOBYTES_BAD..DISK_KILOBYTES_LOW => Finding::warning("disk", found, advice),
        DISK_KILOBYTES_LOW.. => Finding::good("disk", found),
    }
}

/// The fourth column of the second line; POSIX `df -P`.
fn free_kilobytes(text: &str) -> Option<u64> {
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_free_space_are_read_as_the_system_writes_them() {
        let limits = "Limit      Soft Limit   Hard Limit   Units\nMax open files            1024                 524288               files\n";
        assert_eq!(open_files(limits), Some(1_024));
        assert_eq!(
            open_files("Max open files  unlimited unlimited files"),
            Some(u64::MAX)
        );
        let df =
            "Filesystem 1024-blocks Used Available Capacity Mounted on\noverlay 100 40 60 40% /\n";
        assert_eq!(free_kilobytes(df), Some(60));
    }
}
