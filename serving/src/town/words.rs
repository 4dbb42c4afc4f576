//! Themes with their sentences and tags in both languages.

use std::sync::OnceLock;

use rand::Rng;

use super::chance::pick;

const ZH: &str = include_str!("../../town/sentences_zh.tsv");
const EN: &str = include_str!("../../town/sentences_en.tsv");

/// A theme people are interested in.
#[derive(Debug)]
pub(super) struct Theme {
    name: &'static str,
    pub(super) zh_tags: [&'static str; 3],
    pub(super) en_tags: [&'static str; 3],
}

/// Every theme.
pub(super) const THEMES: [Theme; 15] = [
    Theme { name: "hiking", zh_tags: ["爬山", "户外", "露营"], en_tags: ["hiking", "outdoors", "camping"] },
    Theme { name: "coffee", zh_tags: ["咖啡", "喝茶", "探店"], en_tags: ["coffee", "tea", "cafes"] },
    Theme { name: "cooking", zh_tags: ["做饭", "烘焙", "下厨"], en_tags: ["cooking", "baking", "recipes"] },
    Theme { name: "music", zh_tags: ["音乐", "唱歌", "吉他"], en_tags: ["music", "singing", "guitar"] },
    Theme { name: "film", zh_tags: ["电影", "追剧", "影院"], en_tags: ["film", "series", "cinema"] },
    Theme { name: "reading", zh_tags: ["读书", "小说", "书店"], en_tags: ["reading", "novels", "bookshops"] },
    Theme { name: "travel", zh_tags: ["旅行", "海边", "自驾"], en_tags: ["travel", "seaside", "road trips"] },
    Theme { name: "pets", zh_tags: ["猫", "狗", "宠物"], en_tags: ["cats", "dogs", "pets"] },
    Theme { name: "sports", zh_tags: ["跑步", "篮球", "游泳"], en_tags: ["running", "basketball", "swimming"] },
    Theme { name: "art", zh_tags: ["摄影", "画画", "展览"], en_tags: ["photography", "drawing", "museums"] },
    Theme { name: "games", zh_tags: ["游戏", "桌游", "数码"], en_tags: ["games", "board games", "gadgets"] },
    Theme { name: "food", zh_tags: ["美食", "火锅", "甜点"], en_tags: ["food", "hot pot", "desserts"] },
    Theme { name: "work", zh_tags: ["工作", "创业", "职场"], en_tags: ["work", "startups", "career"] },
    Theme { name: "study", zh_tags: ["学习", "语言", "考试"], en_tags: ["study", "languages", "science"] },
    Theme { name: "city", zh_tags: ["城市", "散步", "天气"], en_tags: ["city", "walks", "weather"] },
];

fn sentences(chinese: bool) -> &'static Vec<Vec<&'static str>> {
    static BOTH: OnceLock<[Vec<Vec<&'static str>>; 2]> = OnceLock::new();
    let of = |text: &'static str| {
        let lines: Vec<(&str, &str)> = text.lines().filter_map(|l| l.split_once('\t')).collect();
        THEMES.iter().map(|theme| lines.iter().filter(|(name, _)| *name == theme.name).map(|(_, s)| *s).collect()).collect()
    };
    &BOTH.get_or_init(|| [of(EN), of(ZH)])[usize::from(chinese)]
}

impl Theme {
    /// Tags in a language.
    pub(super) fn tags(&self, chinese: bool) -> &[&'static str; 3] {
        if chinese { &self.zh_tags } else { &self.en_tags }
    }
}

/// Some real sentences about a theme.
pub(super) fn text(dice: &mut impl Rng, theme: usize, chinese: bool, count: u32) -> String {
    let of = &sentences(chinese)[theme];
    let mut chosen: Vec<&str> = Vec::new();
    for _ in 0..count {
        let sentence = *pick(dice, of);
        if !chosen.contains(&sentence) {
            chosen.push(sentence);
        }
    }
    chosen.join(if chinese { "" } else { " " })
}

/// What the agent asks about a picture.
pub(super) fn question(dice: &mut impl Rng, chinese: bool) -> &'static str {
    let zh = ["这张照片是在哪里拍的？", "那一刻你在想什么？", "和谁一起去的？", "下次还想再来吗？"];
    let en = ["Where was this taken?", "What were you thinking just then?", "Who was with you?", "Would you go again?"];
    if chinese { pick::<&str>(dice, &zh) } else { pick::<&str>(dice, &en) }
}

/// A name to be shown.
pub(super) fn nickname(dice: &mut impl Rng, chinese: bool) -> String {
    const FIRST: [&str; 24] = [
        "小", "阿", "大", "晓", "子", "雨", "思", "梦", "文", "嘉", "若", "一", "安", "乐", "星", "云", "静", "明", "清", "夏", "秋", "南",
        "北", "青",
    ];
    const SECOND: [&str; 24] = [
        "鱼", "林", "禾", "月", "山", "川", "宁", "然", "晴", "舟", "茶", "橙", "鹿", "木", "雪", "溪", "风", "米", "竹", "岚", "洋", "果",
        "叶", "桃",
    ];
    const NAMES: [&str; 40] = [
        "Ada", "Ben", "Cleo", "Dan", "Ella", "Finn", "Grace", "Hugo", "Iris", "Jack", "Kira", "Leo", "Mia", "Noah", "Olga", "Paul",
        "Quinn", "Rosa", "Sam", "Tess", "Uma", "Vera", "Will", "Xena", "Yara", "Zoe", "Amir", "Bea", "Carl", "Dora", "Emil", "Freya",
        "Gus", "Hana", "Ivan", "June", "Karl", "Lina", "Max", "Nora",
    ];
    if chinese { format!("{}{}", pick(dice, &FIRST), pick(dice, &SECOND)) } else { (*pick(dice, &NAMES)).to_owned() }
}
