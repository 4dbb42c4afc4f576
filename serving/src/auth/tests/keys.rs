//! The folder of keys.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn keys_are_made_once_for_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(folder.path(), at(0), &chance()).unwrap();
    let told = keys.told(at(0));
    assert!(told.len() == 1 && told[0].signs && told[0].since == at(0));
    for file in fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside them");
    let again = Keys::open(folder.path(), at(99), &chance()).unwrap();
    assert_eq!(again.told(at(99))[0].kid, told[0].kid);
    assert_eq!(again.mac("a", &[b"b"]), keys.mac("a", &[b"b"]));
    assert_ne!(keys.mac("a", &[b"b", b"c"]), keys.mac("a", &[b"bc"]), "parts do not run together");
    // What others can read, or is no key, is refused with the remedy.
    let secret = folder.path().join("secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let error = format!("{:#}", Keys::open(folder.path(), at(0), &chance()).err().unwrap());
    assert!(error.contains("chmod 600"), "{error}");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    for (name, text, says) in
        [("signing-5.key", "bm8ga2V5\n", "openssl"), ("signing-soon.key", "", "signing-<seconds"), ("secret", "c2hvcnQ=", "32 bytes")]
    {
        let file = folder.path().join(name);
        let before = fs::read(&file).ok();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let error = format!("{:#}", Keys::open(folder.path(), at(0), &chance()).err().unwrap());
        assert!(error.contains(says), "{name}: {error}");
        match before {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
    }
    Keys::open(folder.path(), at(0), &chance()).unwrap();
}

/// A key that OpenSSL made, and what it signs by the one test of RFC 8037.
#[test]
fn the_key_of_rfc_8037_has_its_thumbprint() {
    let folder = tempfile::tempdir().unwrap();
    drop(Keys::open(folder.path(), at(0), &chance()).unwrap());
    let seed = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    use base64::Engine;
    let seed = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(seed).unwrap();
    let der = [&[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20][..], &seed].concat();
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", base64::engine::general_purpose::STANDARD.encode(der));
    let file = folder.path().join("signing-1.key");
    fs::write(&file, pem).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let keys = Keys::open(folder.path(), at(0), &chance()).unwrap();
    assert_eq!(keys.told(at(0))[0].kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "RFC 8037, appendix A.3");
    let jwks = super::super::access::public_keys(&keys);
    assert_eq!(jwks[0]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "RFC 8037, appendix A.2");
    assert!(!serde_json::to_string(&jwks).unwrap().contains("nWGxne"), "nothing private is published");
}

#[tokio::test]
async fn a_new_key_is_known_before_it_signs_and_the_old_one_after() {
    let room = Room::new(|_| {}).await;
    let folder = room.folder.path().join("keys");
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let before = room.log_in(PHONE, "", 0).await;
    add_signing_key(&folder, at(500), &chance()).unwrap();
    let node = Auth::open(room.db.clone(), &AuthConfig::default(), room.folder.path(), chance(), at(1)).unwrap();
    assert_eq!(node.public_keys().len(), 2, "it is published at once");
    let early = node.refresh(&before.refresh, at(499)).await.unwrap();
    assert_eq!(kid(&early.access), kid(&before.access), "and signs from its time on");
    let late = node.refresh(&early.refresh, at(501)).await.unwrap();
    assert_ne!(kid(&late.access), kid(&before.access));
    for tokens in [&before, &early, &late] {
        node.caller(&tokens.access, at(502)).await.unwrap();
    }
    assert!(room.auth.caller(&late.access, at(502)).await.is_err(), "a node that was not started again does not know it");
}
