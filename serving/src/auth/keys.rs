//! The keys of a deployment: what signs access tokens, and the secret behind hashes. They lie in a folder that all nodes have the same.
//!
//! `secret` holds 32 random bytes in base64. `signing-<seconds>.key` is an Ed25519 key in PKCS#8, as base64 or PEM; the seconds (Unix time) in its name
//! say from when on it signs: the newest of the past does. All are published, so that a key is known everywhere before it is used, and its tokens stay
//! good after the next has come. What is missing is made, for its owner only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Chance;

/// RFC 8410: what comes before the 32 bytes of an Ed25519 key in PKCS#8.
const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const SECRET: &str = "secret";

/// A key that signs, or has signed, or will.
pub(super) struct SigningKey {
    /// From when on it signs, in seconds since 1970.
    pub(super) since: i64,
    /// Its name in tokens: the thumbprint of RFC 7638.
    pub(super) kid: String,
    /// PKCS#8.
    pub(super) private: Vec<u8>,
    /// 32 bytes.
    pub(super) public: Vec<u8>,
}

/// What may be told of a key.
#[derive(Debug, Clone, Serialize)]
pub struct KeyInfo {
    /// Its name in tokens.
    pub kid: String,
    /// From when on it signs.
    pub since: DateTime<Utc>,
    /// Whether it signs now.
    pub signs: bool,
}

/// The keys.
pub struct Keys {
    secret: hmac::Key,
    pub(super) signing: Vec<SigningKey>,
}

impl Keys {
    /// Reads the keys of a folder, and makes those that are missing.
    ///
    /// # Errors
    /// When a file cannot be read or written, is no key, or can be read by others.
    pub fn open(folder: &Path, now: DateTime<Utc>, chance: &Chance) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("the folder of keys {} cannot be made; see auth.keys", folder.display()))?;
        let secret = folder.join(SECRET);
        if !secret.exists() {
            write_new(&secret, &random(chance)?)?;
        }
        let bytes = STANDARD.decode(read(&secret)?.trim()).with_context(|| format!("{} is not base64", secret.display()))?;
        ensure!(bytes.len() >= 32, "{} must hold at least 32 bytes in base64", secret.display());
        let mut signing = signing_keys(folder)?;
        if signing.is_empty() {
            add_signing_key(folder, now, chance)?;
            signing = signing_keys(folder)?;
        }
        Ok(Self { secret: hmac::Key::new(hmac::HMAC_SHA256, &bytes), signing })
    }

    /// HMAC-SHA256 of parts, under a key of its own for each purpose.
    pub(super) fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.secret);
        for part in [&[purpose.as_bytes()][..], parts].concat() {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }

    /// The key that signs now.
    pub(super) fn signs(&self, now: DateTime<Utc>) -> Option<&SigningKey> {
        self.signing.iter().rev().find(|key| key.since <= now.timestamp()).or(self.signing.first())
    }

    /// What may be told of the keys.
    pub fn told(&self, now: DateTime<Utc>) -> Vec<KeyInfo> {
        let signs = self.signs(now).map(|key| key.kid.clone());
        let info = |key: &SigningKey| KeyInfo {
            kid: key.kid.clone(),
            since: DateTime::from_timestamp(key.since, 0).unwrap_or_default(),
            signs: signs.as_ref() == Some(&key.kid),
        };
        self.signing.iter().map(info).collect()
    }
}

/// Makes a key that signs from a time on; its file.
///
/// # Errors
/// When it cannot be written, or there is one of this second.
pub fn add_signing_key(folder: &Path, since: DateTime<Utc>, chance: &Chance) -> anyhow::Result<PathBuf> {
    let private = [&PKCS8_HEAD[..], &random(chance)?].concat();
    let file = folder.join(format!("signing-{}.key", since.timestamp()));
    write_new(&file, &private)?;
    Ok(file)
}

fn random(chance: &Chance) -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    chance(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file that only its owner reads, as a whole or not at all; one that is there, because another process was quicker, stays.
fn write_new(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let beside = file.with_extension(format!("new-{}", std::process::id()));
    let write = || -> io::Result<()> {
        let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        writeln!(out, "{}", STANDARD.encode(bytes))?;
        out.sync_all()?;
        let linked = fs::hard_link(&beside, file);
        fs::remove_file(&beside)?;
        linked.or_else(|e| if e.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(e) })
    };
    write().with_context(|| format!("{} cannot be written", file.display()))
}

fn read(file: &Path) -> anyhow::Result<String> {
    let told = || format!("{} cannot be read", file.display());
    let mode = fs::metadata(file).with_context(told)?.permissions().mode();
    ensure!(mode & 0o077 == 0, "{} can be read by others: `chmod 600` it", file.display());
    fs::read_to_string(file).with_context(told)
}

fn signing_keys(folder: &Path) -> anyhow::Result<Vec<SigningKey>> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(since) = name.strip_prefix("signing-").and_then(|name| name.strip_suffix(".key")) else { continue };
        let Ok(since) = since.parse::<i64>() else { bail!("{name} must be called signing-<seconds since 1970>.key") };
        keys.push(signing_key(&path, since)?);
    }
    keys.sort_by(|a, b| (a.since, &a.kid).cmp(&(b.since, &b.kid)));
    Ok(keys)
}

fn signing_key(path: &Path, since: i64) -> anyhow::Result<SigningKey> {
    let text = read(path)?;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let told = || format!("{} is no Ed25519 key in PKCS#8; `openssl genpkey -algorithm ed25519` makes one", path.display());
    let private = STANDARD.decode(body).with_context(told)?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&private).map_err(|e| anyhow::anyhow!("{e}")).with_context(told)?;
    let public = pair.public_key().as_ref().to_vec();
    let x = URL_SAFE_NO_PAD.encode(&public);
    let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{x}\"}}")));
    Ok(SigningKey { since, kid, private, public })
}
