//! What the metrics mean, in both languages.

/// Names of metrics (what follows an `@` left out) and what they say.
const MEANINGS: [(&str, &str, &str); 24] = [
    ("auc", "AUC: how often one that happened is scored above one that did not", "AUC：发生者得分高于未发生者的概率"),
    ("auc_gain", "AUC gain: how much better one orders than another on the same rows", "AUC 差：同样的数据上排序好多少"),
    ("ndcg", "NDCG: how far up the list the right ones stand, 1 at best", "NDCG：正确的人排得多靠前，最好为 1"),
    ("recall", "Recall: the share of the right ones among the candidates", "召回率：正确的人进入候选的比例"),
    ("log_loss", "Log-loss: the price of wrong probabilities, lower is better", "对数损失：概率预测的代价，越低越好"),
    ("brier", "Brier score: the mean squared error of probabilities, lower is better", "Brier 分数：概率的均方误差，越低越好"),
    (
        "calibration_error",
        "Calibration error: how far predictions are from what happens, lower is better",
        "校准误差：预测与实际的差距，越低越好",
    ),
    ("reliability_predicted", "mean prediction of a bin", "该组的平均预测"),
    ("reliability_observed", "share in which it happened in that bin", "该组实际发生的比例"),
    ("reliability_rows", "rows of that bin", "该组的行数"),
    ("rows", "Rows that were judged", "参与评估的行数"),
    ("base_rate", "Base rate: the share in which it happened", "基准比例：实际发生的比例"),
    ("matches_per_100", "Expected mutual matches per 100 impressions", "每 100 次曝光的期望互相喜欢数"),
    ("coverage", "Coverage: the share of people who are shown at all", "覆盖率：被展示过的人的比例"),
    ("gini_exposure", "Gini of exposure: 0 when everybody is shown equally often", "曝光的基尼系数：人人相等为 0"),
    ("gini_likes", "Gini of received likes: 0 when everybody gets equally many", "收到喜欢的基尼系数：人人相等为 0"),
    ("top_share", "Top share: what part the most favoured get", "头部份额：最受欢迎者所占的部分"),
    ("regret", "Regret: what the best possible list would have gained more", "遗憾：与最优列表的差距"),
    (
        "regret_per_100",
        "Regret: expected matches per 100 impressions that the best possible page has more",
        "遗憾：每 100 次曝光比最优少的期望互相喜欢数",
    ),
    ("likes_per_100", "Expected likes per 100 impressions", "每 100 次曝光的期望喜欢数"),
    ("matches_over_popularity", "Expected matches, those of popularity alone being 1", "期望互相喜欢数（只按热度为 1）"),
    ("matches_of_greedy", "Expected matches, those of sorting by the match alone being 1", "期望互相喜欢数（只看匹配度排序为 1）"),
    ("newcomers_share", "The share of impressions that newcomers receive", "新人得到的曝光比例"),
    ("first_match", "First match of newcomers", "新人的首次互相喜欢"),
];

/// What a metric says: English, Chinese.
pub(super) fn meaning(metric: &str) -> Option<(&'static str, &'static str)> {
    let name = metric.split('@').next().unwrap_or(metric);
    MEANINGS.iter().find(|(known, _, _)| *known == name).map(|(_, english, chinese)| (*english, *chinese))
}

/// What a metric is worth when nothing is known, where that is the same on all data.
pub(super) fn chance_of(metric: &str) -> Option<(f64, String)> {
    match metric {
        "auc" => Some((0.5, "chance 随机".to_owned())),
        "auc_gain" => Some((0.0, "equal 相等".to_owned())),
        _ => None,
    }
}
