//! Sealing payloads to a coordinator's key, and opening them.
//!
//! Spec: "obtain the encrypted payload". RFC 9180 (HPKE), base mode, with DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256 and ChaCha20-Poly1305. `info` is `aggregation_service` followed by the shared info, so that
//! a payload opens only beside the shared info that it was sealed with; there is no associated data. The
//! encapsulated key stands before the ciphertext.

use hpke::{
    Deserializable, HpkeError, Kem as _, OpModeR, OpModeS, Serializable,
    aead::{AeadTag, ChaCha20Poly1305},
    inout::InOutBuf,
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    single_shot_open_inout_detached, single_shot_seal_inout_detached_with_rng,
};
use rand::CryptoRng;

use crate::{PrivateKey, PublicKey};

type Kem = X25519HkdfSha256;
type KemPublicKey = <Kem as hpke::Kem>::PublicKey;
type KemPrivateKey = <Kem as hpke::Kem>::PrivateKey;
type EncappedKey = <Kem as hpke::Kem>::EncappedKey;

const ENCAPPED_KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// A payload that only the holder of one private key can read.
///
/// [`PublicKey::seal`] makes it, [`PrivateKey::open`] reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPayload {
    /// `key_id`: which of the coordinator's keys it is sealed with.
    pub key_id: Box<str>,
    /// The encapsulated key, 32 bytes; the ciphertext, as long as the plaintext; its tag, 16 bytes.
    pub ciphertext: Vec<u8>,
}

/// Why a payload could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The public key is a point of low order: everybody would know the shared secret (RFC 9180 7.1.4).
    #[error("the public key is weak")]
    WeakKey,
    /// The plaintext is longer than the cipher can take: 256 GiB.
    #[error("the payload is too long")]
    TooLong,
}

/// Why a sealed payload does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Shorter than an encapsulated key and a tag.
    #[error("{0} bytes are too few for a sealed payload")]
    TooShort(usize),
    /// The encapsulated key is a point of low order (RFC 9180 7.1.4).
    #[error("the encapsulated key is weak")]
    WeakKey,
    /// Sealed to another key, or with other shared info, or altered since.
    #[error("not sealed to this key with this shared info")]
    Inauthentic,
}

impl PublicKey {
    /// Seals a plaintext payload to this key and to the shared info it is sent with.
    ///
    /// HPKE (RFC 9180) in base mode, with X25519, HKDF-SHA256 and ChaCha20-Poly1305. `rng` gives the 32
    /// bytes that the encapsulated key is derived from.
    ///
    /// # Errors
    /// When the key is weak, or the plaintext longer than 256 GiB.
    pub fn seal(
        &self,
        shared_info: &str,
        plaintext: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<SealedPayload, SealError> {
        let ciphertext = seal_base(self.as_bytes(), &info(shared_info), b"", plaintext, rng)?;
        Ok(SealedPayload { key_id: self.id().into(), ciphertext })
    }
}

impl PrivateKey {
    /// Opens a sealed payload: its [`ciphertext`](SealedPayload::ciphertext), beside the shared info
    /// exactly as it was received.
    ///
    /// # Errors
    /// When it was not sealed to this key with this shared info.
    pub fn open(&self, shared_info: &str, ciphertext: &[u8]) -> Result<Vec<u8>, OpenError> {
        open_base(self.as_bytes(), &info(shared_info), b"", ciphertext)
    }
}

fn info(shared_info: &str) -> Vec<u8> {
    ["aggregation_service", shared_info].concat().into_bytes()
}

/// RFC 9180 6.1, `SealBase`: `enc` and `ct` in one.
fn seal_base(
    public_key: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, SealError> {
    let public_key = KemPublicKey::from_bytes(public_key).expect("32 bytes are an X25519 public key");
    let mut sealed = Vec::with_capacity(ENCAPPED_KEY_BYTES + plaintext.len() + TAG_BYTES);
    sealed.resize(ENCAPPED_KEY_BYTES, 0);
    sealed.extend_from_slice(plaintext);
    let (encapped_key, tag) = single_shot_seal_inout_detached_with_rng::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeS::Base,
        &public_key,
        info,
        InOutBuf::from(&mut sealed[ENCAPPED_KEY_BYTES..]),
        aad,
        rng,
    )
    .map_err(|error| match error {
        HpkeError::SealError => SealError::TooLong,
        _ => SealError::WeakKey,
    })?;
    sealed[..ENCAPPED_KEY_BYTES].copy_from_slice(&encapped_key.to_bytes());
    sealed.extend_from_slice(&tag.to_bytes());
    Ok(sealed)
}

/// RFC 9180 6.1, `OpenBase`.
fn open_base(private_key: &[u8; 32], info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    let too_short = OpenError::TooShort(sealed.len());
    let (encapped_key, rest) = sealed.split_at_checked(ENCAPPED_KEY_BYTES).ok_or(too_short)?;
    let plaintext_len = rest.len().checked_sub(TAG_BYTES).ok_or(too_short)?;
    let (ciphertext, tag) = rest.split_at(plaintext_len);

    let private_key = KemPrivateKey::from_bytes(private_key).expect("32 bytes are an X25519 private key");
    let encapped_key = EncappedKey::from_bytes(encapped_key).expect("an encapsulated key has 32 bytes");
    let tag = AeadTag::<ChaCha20Poly1305>::from_bytes(tag).expect("a tag has 16 bytes");
    let mut plaintext = ciphertext.to_vec();
    single_shot_open_inout_detached::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeR::Base,
        &private_key,
        &encapped_key,
        info,
        InOutBuf::from(plaintext.as_mut_slice()),
        aad,
        &tag,
    )
    .map_err(|error| match error {
        HpkeError::DecapError => OpenError::WeakKey,
        _ => OpenError::Inauthentic,
    })?;
    Ok(plaintext)
}

/// The public key of a private one.
pub(crate) fn public_key(private_key: &[u8; 32]) -> [u8; 32] {
    let private_key = KemPrivateKey::from_bytes(private_key).expect("32 bytes are an X25519 private key");
    Kem::sk_to_pk(&private_key).to_bytes().into()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rand::{SeedableRng, TryCryptoRng, TryRng};
    use rand_chacha::ChaCha20Rng;

    use super::*;

    /// A generator whose only output is given: the test vectors' keying material.
    struct Fixed<'a>(&'a [u8]);

    impl TryRng for Fixed<'_> {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            unreachable!("keys are made of bytes")
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            unreachable!("keys are made of bytes")
        }

        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
            let (given, rest) = self.0.split_at(out.len());
            out.copy_from_slice(given);
            self.0 = rest;
            Ok(())
        }
    }

    impl TryCryptoRng for Fixed<'_> {}

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    fn hex32(text: &str) -> [u8; 32] {
        hex(text).try_into().unwrap()
    }

    /// RFC 9180 A.2.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base mode.
    mod rfc_9180_a_2_1 {
        pub(super) const INFO: &str = "4f6465206f6e2061204772656369616e2055726e";
        pub(super) const IKM_E: &str = "909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b";
        pub(super) const PK_RM: &str = "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a";
        pub(super) const SK_RM: &str = "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb";
        pub(super) const ENC: &str = "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a";
        pub(super) const PT: &str = "4265617574792069732074727574682c20747275746820626561757479";
        pub(super) const AAD: &str = "436f756e742d30";
        pub(super) const CT: &str =
            "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28";
    }

    #[test]
    fn sealing_gives_the_rfc_s_bytes() {
        use rfc_9180_a_2_1::{AAD, CT, ENC, IKM_E, INFO, PK_RM, PT};
        let ikm = hex(IKM_E);
        let mut rng = Fixed(&ikm);
        let sealed = seal_base(&hex32(PK_RM), &hex(INFO), &hex(AAD), &hex(PT), &mut rng).unwrap();
        assert_eq!(sealed, [hex(ENC), hex(CT)].concat());
        assert!(rng.0.is_empty(), "one draw of 32 bytes");
    }

    #[test]
    fn the_rfc_s_bytes_open() {
        use rfc_9180_a_2_1::{AAD, CT, ENC, INFO, PK_RM, PT, SK_RM};
        let sealed = [hex(ENC), hex(CT)].concat();
        assert_eq!(open_base(&hex32(SK_RM), &hex(INFO), &hex(AAD), &sealed), Ok(hex(PT)));
        assert_eq!(public_key(&hex32(SK_RM)), hex32(PK_RM));
    }

    fn key() -> PrivateKey {
        PrivateKey::generate("k", &mut ChaCha20Rng::seed_from_u64(1)).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_shared_info_only() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        for len in [0, 1, 847, 100_000] {
            let plaintext = vec![7; len];
            let sealed = key().public().seal("{}", &plaintext, &mut rng).unwrap();
            assert_eq!(sealed.key_id.as_ref(), "k");
            assert_eq!(sealed.ciphertext.len(), len + 48);
            assert_eq!(key().open("{}", &sealed.ciphertext), Ok(plaintext));
            assert_eq!(key().open("{ }", &sealed.ciphertext), Err(OpenError::Inauthentic));
            let other = PrivateKey::generate("k", &mut rng).unwrap();
            assert_eq!(other.open("{}", &sealed.ciphertext), Err(OpenError::Inauthentic));
        }
    }

    #[test]
    fn a_changed_bit_in_any_byte_is_noticed() {
        let sealed = key().public().seal("{}", b"payload", &mut ChaCha20Rng::seed_from_u64(3)).unwrap();
        for byte in 0..sealed.ciphertext.len() {
            let mut changed = sealed.ciphertext.clone();
            changed[byte] ^= 1 << (byte % 8);
            assert_eq!(key().open("{}", &changed), Err(OpenError::Inauthentic), "byte {byte}");
        }
    }

    #[test]
    fn truncations_are_told_apart_from_forgeries() {
        let sealed = key().public().seal("{}", b"", &mut ChaCha20Rng::seed_from_u64(4)).unwrap().ciphertext;
        for len in 0..48 {
            assert_eq!(key().open("{}", &sealed[..len]), Err(OpenError::TooShort(len)));
        }
        assert_eq!(key().open("{}", &sealed), Ok(vec![]));
        let longer = [sealed, vec![0]].concat();
        assert_eq!(key().open("{}", &longer), Err(OpenError::Inauthentic));
    }

    #[test]
    fn no_two_seals_are_alike() {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let [a, b] = [(); 2].map(|()| key().public().seal("{}", b"same", &mut rng).unwrap());
        assert_ne!(a.ciphertext[..32], b.ciphertext[..32]);
        assert_ne!(a.ciphertext[32..], b.ciphertext[32..]);
    }

    /// All points of X25519 whose order divides the cofactor, in every encoding: the top bit is ignored.
    fn low_order_points() -> impl Iterator<Item = [u8; 32]> {
        let near_p = |first: u8| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (first, 0x7f);
            bytes
        };
        let small = |first: u8| {
            let mut bytes = [0; 32];
            bytes[0] = first;
            bytes
        };
        [
            small(0),
            small(1),
            near_p(0xec),
            near_p(0xed),
            near_p(0xee),
            hex32("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
            hex32("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        ]
        .into_iter()
        .flat_map(|point| {
            let mut with_top_bit = point;
            with_top_bit[31] |= 0x80;
            [point, with_top_bit]
        })
    }

    #[test]
    fn points_of_low_order_are_rejected() {
        for point in low_order_points() {
            let weak = PublicKey::new("weak", point).unwrap();
            let sealed = weak.seal("{}", b"", &mut ChaCha20Rng::seed_from_u64(6));
            assert_eq!(sealed, Err(SealError::WeakKey), "{point:x?}");
            let forged = [point.as_slice(), &[0; TAG_BYTES]].concat();
            assert_eq!(key().open("{}", &forged), Err(OpenError::WeakKey), "{point:x?}");
        }
    }
}
