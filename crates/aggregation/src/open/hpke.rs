//! Opening what was sealed with HPKE in base mode, assembled from the primitives of AWS-LC.
//!
//! RFC 9180, mode_base, with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305, one message for
//! each encapsulated key. It gives what `PrivateKey::open` of `ascribe-reports` gives, in less than half of
//! the time: AWS-LC's X25519 is the fastest there is, and what is the same for every report is computed
//! once for each key.

use aws_lc_rs::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    agreement, hmac,
};
use zeroize::Zeroizing;

pub(crate) const ENCAPPED_KEY_BYTES: usize = 32;
pub(crate) const TAG_BYTES: usize = 16;

/// Why sealed bytes do not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenFailure {
    /// Shorter than an encapsulated key and a tag.
    TooShort,
    /// The encapsulated key is a point of low order: the shared secret would be all zeros (7.1.4).
    WeakKey,
    /// Sealed to another key, or with other info, or altered since.
    Inauthentic,
}

/// A private key, ready to open.
pub(crate) struct Recipient {
    private_key: agreement::PrivateKey,
    public_key: [u8; 32],
    schedule: Schedule,
}

/// What depends on nothing but the algorithms.
struct Schedule {
    /// HMAC under the empty salt of most extractions: its inner and outer states, computed once.
    no_salt: hmac::Key,
    /// `mode || psk_id_hash`, the beginning of the key schedule's context.
    context_start: [u8; 33],
}

/// `suite_id` of the KEM: "KEM", 0x0020.
const KEM_SUITE: &[u8] = b"KEM\x00\x20";
/// `suite_id` of HPKE: "HPKE", KEM 0x0020, KDF 0x0001, AEAD 0x0003.
const HPKE_SUITE: &[u8] = b"HPKE\x00\x20\x00\x01\x00\x03";
const VERSION: &[u8] = b"HPKE-v1";

impl Recipient {
    /// Takes the 32 bytes of an X25519 private key.
    pub(crate) fn new(private_key: &[u8; 32]) -> Self {
        let private_key = agreement::PrivateKey::from_private_key(&agreement::X25519, private_key)
            .expect("32 bytes are an X25519 private key");
        let public_key = private_key.compute_public_key().expect("a private key has a public one");
        let public_key = public_key.as_ref().try_into().expect("32 bytes");
        Self { private_key, public_key, schedule: Schedule::new() }
    }

    pub(crate) fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// 6.1, `OpenBase`: the plaintext is left in `scratch`, which is overwritten.
    pub(crate) fn open<'a>(
        &self,
        info: &[&[u8]],
        aad: &[u8],
        sealed: &[u8],
        scratch: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], OpenFailure> {
        if sealed.len() < ENCAPPED_KEY_BYTES + TAG_BYTES {
            return Err(OpenFailure::TooShort);
        }
        let (encapped_key, ciphertext) = sealed.split_at(ENCAPPED_KEY_BYTES);
        let shared_secret = self.decap(encapped_key)?;
        let (key, nonce) = self.schedule.key_and_nonce(&shared_secret, info);

        scratch.clear();
        scratch.extend_from_slice(ciphertext);
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).expect("a key of 32 bytes");
        LessSafeKey::new(key)
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), scratch)
            .map(|plaintext| &*plaintext)
            .map_err(|_| OpenFailure::Inauthentic)
    }

    /// 4.1, `Decap`.
    fn decap(&self, encapped_key: &[u8]) -> Result<Zeroizing<[u8; 32]>, OpenFailure> {
        let peer = agreement::UnparsedPublicKey::new(&agreement::X25519, encapped_key);
        agreement::agree(&self.private_key, peer, OpenFailure::WeakKey, |dh| {
            // AWS-LC refuses it too: an all-zero secret must never pass, whatever becomes of that.
            if dh.iter().fold(0, |acc, byte| acc | byte) == 0 {
                return Err(OpenFailure::WeakKey);
            }
            let eae_prk = extract(&self.schedule.no_salt, KEM_SUITE, b"eae_prk", &[dh]);
            let kem_context = [encapped_key, &self.public_key];
            Ok(expand(&eae_prk, KEM_SUITE, b"shared_secret", &kem_context, 32))
        })
    }
}

impl Schedule {
    fn new() -> Self {
        const MODE_BASE: u8 = 0;
        let no_salt = hmac::Key::new(hmac::HMAC_SHA256, b"");
        let psk_id_hash = extract(&no_salt, HPKE_SUITE, b"psk_id_hash", &[]);
        let mut context_start = [MODE_BASE; 33];
        context_start[1..].copy_from_slice(psk_id_hash.as_slice());
        Self { no_salt, context_start }
    }

    /// 5.1, `KeySchedule`: as much of it as one message needs.
    fn key_and_nonce(&self, shared_secret: &[u8; 32], info: &[&[u8]]) -> (Zeroizing<[u8; 32]>, [u8; 12]) {
        let info_hash = extract(&self.no_salt, HPKE_SUITE, b"info_hash", info);
        let context = [self.context_start.as_slice(), info_hash.as_slice()];
        let salt = hmac::Key::new(hmac::HMAC_SHA256, shared_secret);
        let secret = extract(&salt, HPKE_SUITE, b"secret", &[]);
        let key = expand(&secret, HPKE_SUITE, b"key", &context, 32);
        let base_nonce = expand(&secret, HPKE_SUITE, b"base_nonce", &context, 12);
        // The sequence number of the first message is 0: it leaves the nonce as it is.
        (key, *base_nonce.first_chunk().expect("32 bytes are more than 12"))
    }
}

/// 4, `LabeledExtract`.
fn extract(salt: &hmac::Key, suite: &[u8], label: &[u8], ikm: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    mac(salt, [VERSION, suite, label].iter().chain(ikm))
}

/// 4, `LabeledExpand`, of at most the 32 bytes that one block of HKDF has. Whoever wants less takes the first
/// `len` of them: `len` is also bound into the output.
fn expand(prk: &[u8; 32], suite: &[u8], label: &[u8], info: &[&[u8]], len: u16) -> Zeroizing<[u8; 32]> {
    const FIRST_BLOCK: &[u8] = &[1];
    let key = hmac::Key::new(hmac::HMAC_SHA256, prk);
    let len: &[u8] = &len.to_be_bytes();
    mac(&key, [len, VERSION, suite, label].iter().chain(info).chain([&FIRST_BLOCK]))
}

/// HMAC of the parts. What goes in and what comes out may be secret: neither is left behind, as it would be by a
/// context, whose tag is not wiped.
fn mac<'a>(key: &hmac::Key, parts: impl Iterator<Item = &'a &'a [u8]> + Clone) -> Zeroizing<[u8; 32]> {
    // Grown, it would leave copies behind.
    let mut message = Zeroizing::new(Vec::with_capacity(parts.clone().map(|part| part.len()).sum()));
    parts.for_each(|part| message.extend_from_slice(part));
    let mut output = Zeroizing::new([0; 32]);
    hmac::sign_to_buffer(key, &message, output.as_mut_slice()).expect("SHA-256 has 32 bytes");
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    fn hex32(text: &str) -> [u8; 32] {
        hex(text).try_into().unwrap()
    }

    /// RFC 9180 A.2.1.
    const PRIVATE_KEY: &str = "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb";
    const ENCAPPED_KEY: &str = "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a";

    #[test]
    fn the_intermediate_values_are_those_of_rfc_9180_a_2_1() {
        let recipient = Recipient::new(&hex32(PRIVATE_KEY));
        assert_eq!(
            recipient.public_key(),
            &hex32("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a")
        );
        let shared_secret = recipient.decap(&hex(ENCAPPED_KEY)).unwrap();
        assert_eq!(*shared_secret, hex32("0bbe78490412b4bbea4812666f7916932b828bba79942424abb65244930d69a7"));
        let info = hex("4f6465206f6e2061204772656369616e2055726e");
        let (key, nonce) = recipient.schedule.key_and_nonce(&shared_secret, &[&info[..7], &info[7..]]);
        assert_eq!(*key, hex32("ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91"));
        assert_eq!(nonce.as_slice(), hex("5c4d98150661b848853b547f"));
    }

    #[test]
    fn the_ciphertext_of_rfc_9180_a_2_1_opens() {
        let sealed = hex(&[
            ENCAPPED_KEY,
            "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28",
        ]
        .concat());
        let info = hex("4f6465206f6e2061204772656369616e2055726e");
        let mut scratch = vec![1, 2, 3];
        let plaintext =
            Recipient::new(&hex32(PRIVATE_KEY)).open(&[&info], &hex("436f756e742d30"), &sealed, &mut scratch);
        assert_eq!(
            plaintext,
            Ok(hex("4265617574792069732074727574682c20747275746820626561757479").as_slice())
        );
    }

    #[test]
    fn what_is_too_short_says_so_and_the_shortest_is_tried() {
        let recipient = Recipient::new(&[7; 32]);
        let mut scratch = Vec::new();
        for len in [0, 1, 31, 32, 47] {
            let sealed = vec![9; len];
            assert_eq!(recipient.open(&[], b"", &sealed, &mut scratch), Err(OpenFailure::TooShort), "{len}");
        }
        assert_eq!(recipient.open(&[], b"", &[9; 48], &mut scratch), Err(OpenFailure::Inauthentic));
    }

    #[test]
    fn points_of_low_order_are_rejected() {
        let recipient = Recipient::new(&[7; 32]);
        let mut one = [0; 32];
        one[0] = 1;
        let order_8 = hex32("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
        for point in [[0; 32], one, order_8] {
            for top_bit in [0, 0x80] {
                let mut sealed = [0; 48];
                sealed[..32].copy_from_slice(&point);
                sealed[31] |= top_bit;
                assert_eq!(recipient.open(&[], b"", &sealed, &mut Vec::new()), Err(OpenFailure::WeakKey));
            }
        }
    }
}
