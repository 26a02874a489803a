//! GUIDs made from numbers: the same numbers always give the same GUID, at the price of a few multiplications.

/// Mixes two numbers into one that looks random (the finaliser of `SplitMix64`).
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The id of record `index` of the blob with this seed.
pub(crate) fn record_id(blob_seed: u64, index: u64) -> Guid {
    let high = mix(blob_seed, index);
    Guid::new(high, mix(high, !index))
}

/// A GUID as lower-case text.
#[derive(Clone, Copy)]
pub(crate) struct Guid([u8; 36]);

impl Guid {
    pub(crate) fn new(high: u64, low: u64) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let number = (u128::from(high) << 64) | u128::from(low);
        // Version 4, variant 1, as every real record id.
        let number = (number & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let mut text = [b'-'; 36];
        let mut shift = 128;
        for (at, place) in text.iter_mut().enumerate() {
            if !matches!(at, 8 | 13 | 18 | 23) {
                shift -= 4;
                *place = HEX[((number >> shift) & 0xf) as usize];
            }
        }
        Guid(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
