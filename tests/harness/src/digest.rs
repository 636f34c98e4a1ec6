//! Digest answers to a challenge, RFC 7616, from the telephone's side.

use md5::Md5;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Who answers.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

/// The value of Authorization that answers the challenge `www_authenticate`; `count` is nc, `cnonce` ours.
pub fn answer(
    challenge: &str,
    credentials: &Credentials,
    method: &str,
    uri: &str,
    count: u32,
    cnonce: &str,
) -> String {
    let realm = field(challenge, "realm");
    let nonce = field(challenge, "nonce");
    let opaque = field(challenge, "opaque");
    let algorithm = Some(field(challenge, "algorithm"))
        .filter(|name| !name.is_empty())
        .unwrap_or("MD5");
    let hash: fn(&str) -> String = if algorithm.eq_ignore_ascii_case("SHA-256") {
        |text| hex(&Sha256::digest(text))
    } else {
        |text| hex(&Md5::digest(text))
    };
    let a1 = hash(&format!(
        "{}:{realm}:{}",
        credentials.user, credentials.password
    ));
    let a2 = hash(&format!("{method}:{uri}"));
    let mut text = format!(
        "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm={algorithm}",
        credentials.user
    );
    if field(challenge, "qop").is_empty() {
        let _ = write!(
            text,
            ", response=\"{}\"",
            hash(&format!("{a1}:{nonce}:{a2}"))
        );
    } else {
        let proof = hash(&format!("{a1}:{nonce}:{count:08x}:{cnonce}:auth:{a2}"));
        let _ = write!(
            text,
            ", response=\"{proof}\", qop=auth, nc={count:08x}, cnonce=\"{cnonce}\""
        );
    }
    if !opaque.is_empty() {
        let _ = write!(text, ", opaque=\"{opaque}\"");
    }
    text
}

/// One field of a challenge, without its quotes; empty when it is not there.
fn field<'a>(challenge: &'a str, name: &str) -> &'a str {
    let fields = challenge
        .trim_start()
        .strip_prefix("Digest ")
        .unwrap_or(challenge);
    for part in fields.split(',') {
        if let Some((key, value)) = part.trim().split_once('=')
            && key.trim().eq_ignore_ascii_case(name)
        {
            return value.trim().trim_matches('"');
        }
    }
    ""
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    #[test]
    fn the_example_of_the_rfc_has_its_answer() {
        let challenge = r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
        let credentials = Credentials {
            user: "Mufasa".into(),
            password: "Circle of Life".into(),
        };
        let text = answer(
            challenge,
            &credentials,
            "GET",
            "/dir/index.html",
            1,
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        );
        assert!(
            text.contains("753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            "{text}"
        );
    }
}
