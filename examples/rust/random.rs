//! The random numbers of bundles, `threefry2x32-20/box-muller`; docs/formats.md specifies them.
use std::f64::consts::TAU;

pub const SAMPLES: u64 = 0;
pub const POSTERIOR: u64 = 1 << 63;

fn words(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

fn threefry2x32([mut a, mut b]: [u32; 2], key: [u32; 2]) -> [u32; 2] {
    const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
    let keys = [key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA];
    a = a.wrapping_add(keys[0]);
    b = b.wrapping_add(keys[1]);
    for group in 0..5 {
        for bits in ROTATIONS[group % 2] {
            a = a.wrapping_add(b);
            b = b.rotate_left(bits) ^ a;
        }
        a = a.wrapping_add(keys[(group + 1) % 3]);
        b = b.wrapping_add(keys[(group + 2) % 3]).wrapping_add(group as u32 + 1);
    }
    [a, b]
}

/// Latents first … first + count - 1 of a stream, `[count, length]`. Each pair of numbers uses one counter.
pub fn normals(seed: u64, stream: u64, first: u64, count: usize, length: usize) -> Vec<f32> {
    let pairs = (length as u64 + 1) / 2;
    let latent = |n: u64| {
        let pair = move |j: u64| {
            let [a, b] = threefry2x32(words(stream + n * pairs + j), words(seed));
            let [a, b] = [a, b].map(|word| (word as f64 + 0.5) / 4294967296.0);
            let (radius, angle) = ((-2.0 * a.ln()).sqrt(), TAU * b);
            [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
        };
        (0..pairs).flat_map(pair).take(length)
    };
    (first..first + count as u64).flat_map(latent).collect()
}

#[test]
fn known_answers() {
    assert_eq!(threefry2x32([0, 0], [0, 0]), [0x6B200159, 0x99BA4EFE]);
    assert_eq!(threefry2x32([u32::MAX; 2], [u32::MAX; 2]), [0x1CB996FC, 0xBB002BE7]);
    assert_eq!(threefry2x32([0x243F6A88, 0x85A308D3], [0x13198A2E, 0x03707344]), [0xC4923A9C, 0x483DF7A0]);
}
