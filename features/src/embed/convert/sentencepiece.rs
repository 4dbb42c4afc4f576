//! Reads what is needed of a SentencePiece model file (a protocol buffer): the pieces with their
//! scores (field 1) and the compiled character map, in field 2 of whichever of the later messages
//! carries it (the files differ by age).

use super::Unigram;

/// A field of a message: its number and, for those with a length, its bytes.
type Field<'b> = (u64, &'b [u8]);

/// Reads a model; `specials` are the ids of the unknown token and of the marks for begin and end.
pub(super) fn read(bytes: &[u8], specials: [usize; 3]) -> Result<Unigram, String> {
    let mut pieces = Vec::new();
    let mut charsmap: &[u8] = &[];
    for (number, value) in fields(bytes)? {
        match number {
            1 => pieces.push(piece(value)?),
            2 | 3 => {
                let maps = fields(value)?.into_iter().filter(|&(number, _)| number == 2);
                charsmap = maps.map(|(_, map)| map).chain([charsmap]).max_by_key(|map| map.len()).unwrap_or_default();
            }
            _ => {}
        }
    }
    let [unknown, begin, end] = specials;
    if specials.iter().any(|&id| id >= pieces.len()) {
        return Err(format!("only {} pieces", pieces.len()));
    }
    if charsmap.len() < 4 {
        return Err("no character map".to_owned());
    }
    Ok(Unigram { pieces, charsmap: charsmap.to_vec(), unknown, begin, end, compose: false })
}

fn piece(bytes: &[u8]) -> Result<(String, f64), String> {
    let mut piece = (String::new(), 0.0);
    for (number, value) in fields(bytes)? {
        match (number, value) {
            (1, text) => {
                piece.0 = String::from_utf8(text.to_vec()).map_err(|error| error.to_string())?;
            }
            (2, &[a, b, c, d]) => piece.1 = f32::from_le_bytes([a, b, c, d]).into(),
            _ => {}
        }
    }
    Ok(piece)
}

/// The fields of a message, without those that are plain integers.
fn fields(mut bytes: &[u8]) -> Result<Vec<Field<'_>>, String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let length = match key & 7 {
            0 => {
                varint(&mut bytes)?;
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes)?,
            5 => 4,
            other => return Err(format!("wire type {other} is not known")),
        };
        let length = usize::try_from(length).ok().filter(|&length| length <= bytes.len());
        let (value, rest) = bytes.split_at(length.ok_or("a field reaches over the end")?);
        found.push((key >> 3, value));
        bytes = rest;
    }
    Ok(found)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or("a number is cut off")?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a number has more than 64 bits".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2, u8::try_from(value.len()).unwrap()];
        bytes.extend(value);
        bytes
    }

    #[test]
    fn pieces_scores_and_map_are_read() {
        let mut cat = field(1, "猫".as_bytes());
        cat.push(2 << 3 | 5);
        cat.extend((-3.5f32).to_le_bytes());
        cat.extend([3 << 3, 1]);
        let file = [field(1, &field(1, b"<unk>")), field(1, &cat), field(3, &field(2, b"01234"))];
        let model = read(&file.concat(), [0, 1, 1]).unwrap();
        assert_eq!(model.pieces, [("<unk>".to_owned(), 0.0), ("猫".to_owned(), -3.5)]);
        assert_eq!(model.charsmap, b"01234");
        assert!(read(&file.concat(), [0, 1, 2]).is_err());
        assert!(read(&file.concat()[..9], [0, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = read(&bytes, [0, 0, 0]);
        }
    }
}
