//! What the words of the code book mean here.

use features::profile::Education;

/// The highest finished education. Who works on or dropped out of a school has finished what it takes to enter it; a school without such a
/// word, and "space camp", say nothing.
pub(super) fn education(text: &str) -> Option<Education> {
    use Education::{Bachelor, College, Doctor, Master, Primary, Secondary};
    let (finished, school) = match text.strip_prefix("graduated from ") {
        Some(school) => (true, school),
        None => (false, text.strip_prefix("working on ").or_else(|| text.strip_prefix("dropped out of "))?),
    };
    let (with, without) = match school {
        "high school" => (Secondary, Primary),
        "two-year college" => (College, Secondary),
        "college/university" => (Bachelor, Secondary),
        "masters program" => (Master, Bachelor),
        "law school" | "med school" | "ph.d program" => (Doctor, Bachelor),
        _ => return None,
    };
    Some(if finished { with } else { without })
}

/// The job, unless it says nothing.
pub(super) fn occupation(text: &str) -> Option<String> {
    (!matches!(text, "other" | "rather not say")).then(|| text.to_owned())
}

/// Languages as BCP 47 tags, each once; how well they are spoken is left out, and so is what is no language (c++, lisp, other).
pub(super) fn languages(text: &str) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for name in text.split(',').filter_map(|one| one.split('(').next()).map(str::trim) {
        let tag = LANGUAGES.iter().find(|(known, _)| *known == name).map(|(_, tag)| (*tag).to_owned());
        // A profile names at most 20.
        if let Some(tag) = tag.filter(|tag| tags.len() < 20 && !tags.contains(tag)) {
            tags.push(tag);
        }
    }
    tags
}

/// A diet that says something, and the animals that one has or likes.
pub(super) fn tags(diet: Option<&str>, pets: Option<&str>) -> Vec<String> {
    let diet = diet.and_then(|text| text.rsplit(' ').next()).filter(|word| !matches!(*word, "anything" | "other"));
    let mut tags: Vec<String> = diet.map(str::to_owned).into_iter().collect();
    for animal in ["dogs", "cats"] {
        if pets.is_some_and(|text| text.split(" and ").any(|part| ["has ", "likes "].iter().any(|verb| part == format!("{verb}{animal}"))))
        {
            tags.push(animal.to_owned());
        }
    }
    tags
}

/// Names of the code book and the tags of the IANA registry; "chinese" and "sign language" are the general ones.
const LANGUAGES: [(&str, &str); 75] = [
    ("english", "en"),
    ("afrikaans", "af"),
    ("albanian", "sq"),
    ("ancient greek", "grc"),
    ("arabic", "ar"),
    ("armenian", "hy"),
    ("basque", "eu"),
    ("belarusan", "be"),
    ("bengali", "bn"),
    ("breton", "br"),
    ("bulgarian", "bg"),
    ("catalan", "ca"),
    ("cebuano", "ceb"),
    ("chechen", "ce"),
    ("chinese", "zh"),
    ("croatian", "hr"),
    ("czech", "cs"),
    ("danish", "da"),
    ("dutch", "nl"),
    ("esperanto", "eo"),
    ("estonian", "et"),
    ("farsi", "fa"),
    ("finnish", "fi"),
    ("french", "fr"),
    ("frisian", "fy"),
    ("georgian", "ka"),
    ("german", "de"),
    ("greek", "el"),
    ("gujarati", "gu"),
    ("hawaiian", "haw"),
    ("hebrew", "he"),
    ("hindi", "hi"),
    ("hungarian", "hu"),
    ("icelandic", "is"),
    ("ilongo", "hil"),
    ("indonesian", "id"),
    ("irish", "ga"),
    ("italian", "it"),
    ("japanese", "ja"),
    ("khmer", "km"),
    ("korean", "ko"),
    ("latin", "la"),
    ("latvian", "lv"),
    ("lithuanian", "lt"),
    ("malay", "ms"),
    ("maori", "mi"),
    ("mongolian", "mn"),
    ("norwegian", "no"),
    ("occitan", "oc"),
    ("persian", "fa"),
    ("polish", "pl"),
    ("portuguese", "pt"),
    ("romanian", "ro"),
    ("rotuman", "rtm"),
    ("russian", "ru"),
    ("sanskrit", "sa"),
    ("sardinian", "sc"),
    ("serbian", "sr"),
    ("sign language", "sgn"),
    ("slovak", "sk"),
    ("slovenian", "sl"),
    ("spanish", "es"),
    ("swahili", "sw"),
    ("swedish", "sv"),
    ("tagalog", "tl"),
    ("tamil", "ta"),
    ("thai", "th"),
    ("tibetan", "bo"),
    ("turkish", "tr"),
    ("ukrainian", "uk"),
    ("urdu", "ur"),
    ("vietnamese", "vi"),
    ("welsh", "cy"),
    ("yiddish", "yi"),
    ("ukranian", "uk"),
];
