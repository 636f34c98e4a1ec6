//! Style as a test: the rules of the house that no compiler checks. Each failure is a sentence that
//! says what to do; an exception stands in a table here, with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What may lie at the top of the repository.
const TOP_LEVEL: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "channels",
    "routing",
    "fixtures",
    "tests",
    "web",
    "README.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
];

/// Built or local things that no commit holds.
const NOT_OURS: [&str; 5] = ["target", "node_modules", ".git", "data", "dist"];

/// Rooms that may use only what is listed. `routing` is pure: serde, and nothing else.
const ALLOWED_DEPENDENCIES: [(&str, &[&str]); 1] = [("routing", &["serde"])];

/// What a room must never depend on: `channels/*` translate, they neither store nor serve the web.
const FORBIDDEN_IN_CHANNELS: [&str; 12] = [
    "ringdown",
    "axum",
    "sqlx",
    "redis",
    "clap",
    "toml",
    "anyhow",
    "hyper",
    "reqwest",
    "rusqlite",
    "phonenumber",
    "jiff",
];

/// The world, as it must not be touched in a pure room: time and randomness come in as arguments.
const WORLD: [&str; 9] = [
    "Instant::now",
    "SystemTime::now",
    "tokio::",
    "std::env",
    "std::net::UdpSocket",
    "std::net::Tcp",
    "std::thread",
    "std::fs",
    "rand::",
];

/// Shells beside the cores in `channels/*/src`: they own sockets, clocks and files, and decide nothing.
/// A path ends in `/` when the whole folder is meant.
const SHELLS: [&str; 8] = [
    "channels/email/src/imap/shell.rs",
    "channels/email/src/imap/way.rs",
    "channels/email/src/smtp/shell/",
    "channels/voice/src/sip/shell/",
    "channels/voice/src/media/engine.rs",
    "channels/voice/src/media/prompts.rs",
    "channels/voice/src/media/recorder.rs",
    "channels/voice/src/media/threads.rs",
];

/// Words that are not ideas (STYLE: names), as the last part of a type's name.
const EMPTY_WORDS: [&str; 9] = [
    "Manager", "Handler", "Session", "Data", "Info", "Util", "Utils", "Helper", "Misc",
];

/// Files whose standard uses such a word itself, and the name it has there.
const WORDS_OF_STANDARDS: [(&str, &str); 1] = [
    // RFC 4028: what a session timer guards is a session.
    ("channels/voice/src/sip/user_agent/session.rs", "Session"),
];

/// Marks of unfinished work.
const UNFINISHED: [&str; 5] = [
    "TO\u{44}O",
    "FIX\u{4d}E",
    "unimplemented\u{21}",
    "todo\u{21}(",
    "X\u{58}X:",
];

/// Files over [`LINES_MAX`] lines that tell one story all the same, and why.
const LONG_STORIES: [(&str, &str); 0] = [];

/// Lines of a file above which it must be split or explained.
const LINES_MAX: usize = 800;

#[test]
fn the_top_level_holds_nothing_unexpected() {
    let mut faults = String::new();
    for entry in entries_of(&root()) {
        let name = entry
            .file_name()
            .expect("an entry has a name")
            .to_string_lossy()
            .into_owned();
        let is_tool_file =
            name.starts_with('.') || matches!(name.as_str(), "clippy.toml" | "rustfmt.toml");
        if !is_tool_file && !TOP_LEVEL.contains(&name.as_str()) && !name.contains(".sqlite") {
            let _ = writeln!(
                faults,
                "`{name}` does not belong at the top: put it into the room it serves."
            );
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn each_room_depends_only_on_what_it_may() {
    let mut faults = String::new();
    for (room, allowed) in ALLOWED_DEPENDENCIES {
        for name in dependencies_of(&root().join(room).join("Cargo.toml")) {
            if !allowed.contains(&name.as_str()) {
                let _ = writeln!(
                    faults,
                    "`{room}` depends on `{name}`; it may use only {allowed:?}."
                );
            }
        }
    }
    for channel in entries_of(&root().join("channels")) {
        let room = relative(&channel);
        for name in dependencies_of(&channel.join("Cargo.toml")) {
            let is_sibling = name.starts_with("ringdown-") && name != "ringdown-routing";
            let is_fax_on_voice = room == "channels/fax" && name == "ringdown-voice";
            if FORBIDDEN_IN_CHANNELS.contains(&name.as_str()) || (is_sibling && !is_fax_on_voice) {
                let _ = writeln!(
                    faults,
                    "`{room}` depends on `{name}`: a channel translates, that belongs to `src` or to a sibling."
                );
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn pure_rooms_do_not_touch_the_world() {
    let mut faults = String::new();
    for file in rust_files() {
        let is_routing = file.path.starts_with("routing/src/");
        let is_core = file.path.starts_with("channels/")
            && file.path.contains("/src/")
            && !file.path.contains("/fuzz/");
        let is_shell = SHELLS.iter().any(|shell| {
            file.path == *shell || (shell.ends_with('/') && file.path.starts_with(shell))
        });
        let is_test = file.path.ends_with("tests.rs") || file.path.contains("/tests/");
        if is_test || !(is_routing || is_core && !is_shell) {
            continue;
        }
        for (number, line) in file.code_lines() {
            for word in WORLD.iter().filter(|word| line.contains(**word)) {
                let _ = writeln!(
                    faults,
                    "{}:{number} names `{word}`: hand it in as an argument, or, for a shell without decisions, list the file in SHELLS.",
                    file.path
                );
            }
        }
    }
    for shell in SHELLS {
        if !root().join(shell).exists() {
            let _ = writeln!(
                faults,
                "SHELLS names `{shell}`, which is not there any more."
            );
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn type_names_are_ideas() {
    let mut faults = String::new();
    for file in rust_files() {
        for (number, line) in file.code_lines() {
            let mut words = line
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .filter(|word| !word.is_empty());
            while let Some(word) = words.next() {
                if !matches!(word, "struct" | "enum" | "trait" | "type") {
                    continue;
                }
                let name = words.next().unwrap_or("");
                if WORDS_OF_STANDARDS.contains(&(&file.path, name)) {
                    continue;
                }
                if let Some(empty) = EMPTY_WORDS.iter().find(|empty| name.ends_with(**empty)) {
                    let _ = writeln!(
                        faults,
                        "{}:{number} `{name}`: `{empty}` is not an idea; say what it is.",
                        file.path
                    );
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn nothing_is_left_unfinished() {
    let mut faults = String::new();
    for file in source_files() {
        for (number, line) in (1..).zip(file.text.lines()) {
            for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
                let _ = writeln!(
                    faults,
                    "{}:{number} says `{word}`: finish it, or file an issue and drop the mark.",
                    file.path
                );
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn a_file_tells_one_story() {
    let explained: BTreeMap<&str, &str> = LONG_STORIES.into_iter().collect();
    let mut faults = String::new();
    for file in source_files()
        .into_iter()
        .filter(|file| !file.path.ends_with(".json"))
    {
        let lines = file.text.lines().count();
        match explained.get(file.path.as_str()) {
            None if lines > LINES_MAX => {
                let _ = writeln!(
                    faults,
                    "{} has {lines} lines (at most {LINES_MAX}): split it by its stories, or explain it in LONG_STORIES.",
                    file.path
                );
            }
            Some(_) if lines <= LINES_MAX => {
                let _ = writeln!(
                    faults,
                    "{} is short again: take it out of LONG_STORIES.",
                    file.path
                );
            }
            Some(reason) if reason.len() < 20 => {
                let _ = writeln!(
                    faults,
                    "{} is in LONG_STORIES without a real reason.",
                    file.path
                );
            }
            None | Some(_) => {}
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn every_fixture_is_used() {
    let sources: Vec<TextFile> = source_files();
    let is_named = |words: &str| {
        sources
            .iter()
            .any(|file| !file.path.starts_with("fixtures/") && file.text.contains(words))
    };
    let mut used_folders: BTreeSet<String> = BTreeSet::new();
    let mut faults = String::new();
    for path in walk(&root().join("fixtures")) {
        let path = relative(&path);
        let name = path.rsplit('/').next().unwrap_or(&path);
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]).skip(1);
        let by_folder = folders.into_iter().any(|folder| {
            used_folders.contains(folder)
                || (is_named(folder)
                    || is_named(folder.trim_start_matches("fixtures/"))
                        && folder.matches('/').count() > 1)
                    && used_folders.insert(folder.to_owned())
        });
        let stem = name.split('.').next().unwrap_or(name);
        if !by_folder && !is_named(name) && !is_named(&format!("\"{stem}\"")) {
            let _ = writeln!(
                faults,
                "{path} is named by no source and no test: use it or drop it."
            );
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn every_lua_verb_says_its_keys_arguments_and_answer() {
    let mut faults = String::new();
    for file in source_files()
        .into_iter()
        .filter(|file| file.path.ends_with(".lua"))
    {
        let header: String = file
            .text
            .lines()
            .take_while(|line| line.starts_with("--") || line.trim().is_empty())
            .collect::<Vec<_>>()
            .join("\n");
        for wanted in ["KEYS", "ARGV", "nswer"] {
            if !header.contains(wanted) {
                let _ = writeln!(
                    faults,
                    "{}: its header does not say {}.",
                    file.path,
                    if wanted == "nswer" {
                        "the answer"
                    } else {
                        wanted
                    }
                );
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// One text file, by its path from the top with `/`.
struct TextFile {
    path: String,
    text: String,
}

impl TextFile {
    /// Its lines of code with their numbers: no comment lines, and nothing from `mod tests` on.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..)
            .zip(self.text.lines())
            .take_while(|(_, line)| {
                !line.starts_with("mod tests") && line.trim_end() != "#[cfg(test)]"
            })
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/")
}

/// What lies in a folder and is ours, sorted; nothing when there is no such folder.
fn entries_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| !NOT_OURS.iter().any(|ours| name == *ours))
        })
        .collect();
    paths.sort();
    paths
}

/// Every file below a folder that is ours.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in entries_of(folder) {
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// Everything people write: code, scripts, documents.
fn source_files() -> Vec<TextFile> {
    const KINDS: [&str; 13] = [
        "rs", "toml", "lua", "sql", "md", "sh", "ts", "tsx", "css", "html", "xml", "py", "json",
    ];
    walk(&root())
        .into_iter()
        .filter(|path| {
            let kind = path
                .extension()
                .map(|kind| kind.to_string_lossy().into_owned())
                .unwrap_or_default();
            KINDS.contains(&kind.as_str())
                || (kind.is_empty() && relative(path).starts_with(".ci/"))
        })
        .filter_map(|path| {
            Some(TextFile {
                path: relative(&path),
                text: std::fs::read_to_string(&path).ok()?,
            })
        })
        .filter(|file| !(file.path.starts_with("fixtures/") && file.path.ends_with(".json")))
        .filter(|file| !file.path.ends_with("package-lock.json"))
        .collect()
}

fn rust_files() -> Vec<TextFile> {
    source_files()
        .into_iter()
        .filter(|file| file.path.ends_with(".rs"))
        .collect()
}

/// The names under `[dependencies]` and `[target.*.dependencies]` of one crate, without those of its tests.
fn dependencies_of(manifest: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(manifest)
        .unwrap_or_else(|fault| panic!("{} cannot be read: {fault}", manifest.display()));
    let document: toml::Table = text
        .parse()
        .unwrap_or_else(|fault| panic!("{}: {fault}", manifest.display()));
    let mut names: Vec<String> = Vec::new();
    let mut add = |table: Option<&toml::Value>| {
        if let Some(table) = table.and_then(toml::Value::as_table) {
            names.extend(table.keys().cloned());
        }
    };
    add(document.get("dependencies"));
    if let Some(targets) = document.get("target").and_then(toml::Value::as_table) {
        for target in targets.values() {
            add(target.get("dependencies"));
        }
    }
    names
}
