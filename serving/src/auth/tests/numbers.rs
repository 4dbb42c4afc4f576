//! Phone numbers as people write them.

use proptest::prelude::*;

use super::super::{Phone, PhoneError};

fn number(text: &str) -> Result<String, PhoneError> {
    Phone::parse(text, "86").map(|phone| phone.number().to_owned())
}

#[test]
fn numbers_are_read_as_people_write_them() {
    for (text, right) in [
        ("13812345678", "+8613812345678"),
        ("+86 138-1234-5678", "+8613812345678"),
        ("0086 138 1234 5678", "+8613812345678"),
        (" (+86) 138.1234.5678 ", "+8613812345678"),
        ("＋８６　１３８１２３４５６７８", "+8613812345678"),
        ("+852 9123 4567", "+85291234567"),
        ("+886 912 345 678", "+886912345678"),
        ("+1 (415) 555-0100", "+14155550100"),
        ("+44 7700 900123", "+447700900123"),
        ("+4915112345678", "+4915112345678"),
    ] {
        assert_eq!(number(text), Ok(right.to_owned()), "{text}");
    }
    for (text, wrong) in [
        ("", PhoneError::Characters),
        ("+", PhoneError::Characters),
        ("138 1234 567x", PhoneError::Characters),
        ("+86+13812345678", PhoneError::Characters),
        ("电话13812345678", PhoneError::Characters),
        ("1381234567", PhoneError::Length),
        ("138123456789", PhoneError::Length),
        ("+12345", PhoneError::Length),
        ("+0123456789", PhoneError::Length),
        ("+1234567890123456", PhoneError::Length),
        ("+86 10 1234 56789", PhoneError::Mobile),
        ("+886 2 1234 5678", PhoneError::Mobile),
        ("+1 115 555 0100", PhoneError::Mobile),
    ] {
        assert_eq!(number(text), Err(wrong), "{text}");
    }
    assert!(number(&"1".repeat(100_000)).is_err());
}

proptest! {
    #[test]
    fn whatever_is_read_is_e164_and_reads_as_itself(text in "\\PC{0,24}|[+0-9() .-]{0,20}|＋?[０-９]{5,14}") {
        if let Ok(read) = number(&text) {
            prop_assert!(read.starts_with('+') && (9..=16).contains(&read.len()) && read[1..].bytes().all(|b| b.is_ascii_digit()), "{}", read);
            prop_assert!(!read.starts_with("+0"));
            prop_assert_eq!(number(&read), Ok(read));
        }
    }

    /// Separators change nothing.
    #[test]
    fn separators_mean_nothing(digits in "1[3-9][0-9]{9}", gaps in prop::collection::vec("[ .()-]{0,2}", 11)) {
        let spread: String = digits.chars().zip(&gaps).map(|(digit, gap)| format!("{digit}{gap}")).collect();
        prop_assert_eq!(number(&spread), Ok(format!("+86{digits}")));
    }

    /// A number that is printed or formatted for a log shows four of its digits.
    #[test]
    fn a_number_does_not_show_itself(digits in "1[3-9][0-9]{9}") {
        let phone = Phone::parse(&digits, "86").unwrap();
        for shown in [format!("{phone}"), format!("{phone:?}")] {
            prop_assert!(!shown.contains(&digits[..9]) && !shown.contains(&digits[2..]), "{}", shown);
        }
    }
}
