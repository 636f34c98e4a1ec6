//! Opens `winmail.dat`: Outlook's container of a text and attachments (MS-OXTNEF).

use super::charset;
use bytes::Bytes;

/// What lay within.
#[derive(Debug, Default)]
pub(super) struct Tnef {
    pub(super) html: Option<String>,
    pub(super) text: Option<String>,
    pub(super) files: Vec<TnefFile>,
}

/// A file within; the bytes are a slice of the container.
#[derive(Debug, Default)]
pub(super) struct TnefFile {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

/// Opens a container; `None` when it is none. What follows a broken attribute is lost.
pub(super) fn open(container: &Bytes) -> Option<Tnef> {
    let mut reader = Reader {
        bytes: container.clone(),
    };
    if reader.u32()? != SIGNATURE {
        return None;
    }
    reader.skip(2)?;
    let mut tnef = Tnef::default();
    let mut charset = "windows-1252".to_owned();
    while let Some((id, value)) = reader.attribute() {
        match id {
            OEM_CODEPAGE => charset = codepage(&value).unwrap_or(charset),
            BODY => tnef.text = Some(text(&value, &charset)),
            MESSAGE_PROPERTIES => tnef.take_message(value, &charset),
            ATTACHMENT_BEGINS if tnef.files.len() < FILES_MAX => {
                tnef.files.push(TnefFile::default())
            }
            ATTACHMENT_TITLE => {
                if let Some(file) = tnef.files.last_mut().filter(|file| file.name.is_empty()) {
                    file.name = text(&value, &charset);
                }
            }
            ATTACHMENT_BYTES => {
                if let Some(file) = tnef.files.last_mut() {
                    file.bytes = value;
                }
            }
            ATTACHMENT_PROPERTIES => {
                if let Some(file) = tnef.files.last_mut() {
                    file.take(value, &charset);
                }
            }
            _ => {}
        }
    }
    Some(tnef)
}

impl Tnef {
    fn take_message(&mut self, properties: Bytes, charset: &str) {
        for (id, kind, value) in read_properties(properties) {
            match id {
                PR_BODY => self.text = Some(string(&value, kind, charset)),
                PR_BODY_HTML => self.html = Some(string(&value, kind, charset)),
                _ => {}
            }
        }
    }
}

impl TnefFile {
    fn take(&mut self, properties: Bytes, charset: &str) {
        for (id, kind, value) in read_properties(properties) {
            match id {
                PR_ATTACH_LONG_FILENAME => self.name = string(&value, kind, charset),
                PR_ATTACH_FILENAME if self.name.is_empty() => {
                    self.name = string(&value, kind, charset)
                }
                PR_ATTACH_MIME_TAG => {
                    self.content_type = string(&value, kind, charset).to_ascii_lowercase()
                }
                PR_ATTACH_DATA if self.bytes.is_empty() => self.bytes = value,
                _ => {}
            }
        }
    }
}

/// MAPI properties: id, type and the first value of each.
fn read_properties(bytes: Bytes) -> Vec<(u16, u16, Bytes)> {
    let mut reader = Reader { bytes };
    let count = reader.u32().unwrap_or(0);
    let mut found = Vec::new();
    for _ in 0..count {
        match reader.property() {
            Some(property) => found.push(property),
            None => break,
        }
        if found.len() >= PROPERTIES_MAX {
            break;
        }
    }
    found
}

struct Reader {
    bytes: Bytes,
}

impl Reader {
    fn take(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.bytes.len()).then(|| self.bytes.split_to(length))
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(drop)
    }

    fn u16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// Level, id, length, value, checksum (MS-OXTNEF §2.1.3).
    fn attribute(&mut self) -> Option<(u32, Bytes)> {
        self.skip(1)?;
        let id = self.u32()?;
        let length = self.length()?;
        let value = self.take(length)?;
        self.skip(2)?;
        Some((id, value))
    }

    /// Type, id, for named ones their name, values (MS-OXTNEF §2.1.3.4).
    fn property(&mut self) -> Option<(u16, u16, Bytes)> {
        let (kind, id) = (self.u16()?, self.u16()?);
        if id >= 0x8000 {
            self.skip(16)?;
            if self.u32()? == 0 {
                self.skip(4)?;
            } else {
                let length = self.length()?;
                self.skip(length.checked_next_multiple_of(4)?)?;
            }
        }
        let is_multiple = kind & 0x1000 != 0;
        let kind = kind & 0x0fff;
        let size = match kind {
            0x02 | 0x03 | 0x04 | 0x0a | 0x0b => 4,
            0x05 | 0x06 | 0x07 | 0x14 | 0x40 => 8,
            0x48 => 16,
            0x0d | 0x1e | 0x1f | 0x102 => 0,
            _ => return None,
        };
        let count = if is_multiple || size == 0 {
            self.u32()?
        } else {
            1
        };
        let mut first = None;
        for _ in 0..count {
            let length = if size == 0 { self.length()? } else { size };
            let mut padded = self.take(length.checked_next_multiple_of(4)?)?;
            padded.truncate(length);
            first.get_or_insert(padded);
        }
        Some((id, kind, first.unwrap_or_default()))
    }
}

fn codepage(value: &[u8]) -> Option<String> {
    let number = u32::from_le_bytes(value.get(..4)?.try_into().ok()?);
    Some(match number {
        950 => "big5".to_owned(),
        936 => "gbk".to_owned(),
        932 => "shift_jis".to_owned(),
        949 => "euc-kr".to_owned(),
        65001 => "utf-8".to_owned(),
        other => format!("windows-{other}"),
    })
}

fn text(bytes: &[u8], charset: &str) -> String {
    charset::decode(bytes, Some(charset))
        .0
        .trim_end_matches('\0')
        .to_owned()
}

fn string(bytes: &[u8], kind: u16, charset: &str) -> String {
    let charset = if kind == PT_UNICODE {
        "utf-16le"
    } else {
        charset
    };
    text(bytes, charset)
}

const SIGNATURE: u32 = 0x223e_9f78;
/// Files of one container that are opened.
const FILES_MAX: usize = 100;
/// Properties of one thing that are read.
const PROPERTIES_MAX: usize = 1_000;

// Attributes, with their types in the upper half (MS-OXTNEF §2.1.3.2).
const OEM_CODEPAGE: u32 = 0x0006_9007;
const BODY: u32 = 0x0002_800c;
const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
const ATTACHMENT_BEGINS: u32 = 0x0006_9002;
const ATTACHMENT_TITLE: u32 = 0x0001_8010;
const ATTACHMENT_BYTES: u32 = 0x0006_800f;
const ATTACHMENT_PROPERTIES: u32 = 0x0006_9005;

// Properties (MS-OXPROPS).
const PR_BODY: u16 = 0x1000;
const PR_BODY_HTML: u16 = 0x1013;
const PR_ATTACH_DATA: u16 = 0x3701;
const PR_ATTACH_FILENAME: u16 = 0x3704;
const PR_ATTACH_LONG_FILENAME: u16 = 0x3707;
const PR_ATTACH_MIME_TAG: u16 = 0x370e;
const PT_UNICODE: u16 = 0x1f;
