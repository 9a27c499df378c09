//! Pictures to upload.

/// A PNG file of two by two pixels.
pub const PNG: [u8; 75] = [
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 2, 8, 2, 0,
    0, 0, 253, 212, 154, 115, 0, 0, 0, 18, 73, 68, 65, 84, 120, 156, 99, 248, 207, 192, 192, 0,
    194, 12, 255, 129, 0, 0, 31, 238, 5, 251, 11, 217, 104, 139, 0, 0, 0, 0, 73, 69, 78, 68, 174,
    66, 96, 130,
];

/// A PNG file of 256 by 256 pixels of noise, some of it transparent. The server's portrait of it
/// has the largest possible size.
#[must_use]
pub fn noise() -> Vec<u8> {
    const SIDE: usize = 256;
    let mut state = 0x9e37_79b9_u32;
    // Xorshift.
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    };
    // Each row begins with its filter: none.
    let pixels: Vec<u8> = (0..SIDE)
        .flat_map(|_| {
            std::iter::once(0)
                .chain(std::iter::repeat_with(&mut next).take(4 * SIDE))
                .collect::<Vec<_>>()
        })
        .collect();
    let side = [0, 0, 1, 0];
    let header = [&side[..], &side, &[8, 6, 0, 0, 0]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [
        (b"IHDR", header),
        (b"IDAT", stored(&pixels)),
        (b"IEND", Vec::new()),
    ] {
        let named = [&kind[..], &data].concat();
        file.extend(
            u32::try_from(data.len())
                .expect("a small picture")
                .to_be_bytes(),
        );
        file.extend(&named);
        file.extend(crc32(&named).to_be_bytes());
    }
    file
}

/// A zlib stream that compresses nothing.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).expect("a block is smaller");
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    let (one, two) = bytes.iter().fold((1_u32, 0_u32), |(one, two), byte| {
        let one = (one + u32::from(*byte)) % 65_521;
        (one, (two + one) % 65_521)
    });
    stream.extend((two << 16 | one).to_be_bytes());
    stream
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}
