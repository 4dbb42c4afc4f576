//! Consumer groups.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pipelines::bus::{Bus, BusConfig, GroupReader};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{PATIENCE, consumer, producer, send, topic};

fn shares(members: &[&BaseConsumer]) -> Vec<usize> {
    members.iter().map(|member| member.assignment().unwrap().count()).collect()
}

/// Polls until every member has the share that is expected.
fn settle(members: &[&BaseConsumer], expected: &[usize]) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while shares(members) != expected {
        for member in members {
            member.poll(Duration::from_millis(50));
        }
        assert!(Instant::now() < deadline, "the group does not settle: {:?}, not {expected:?}", shares(members));
    }
}

fn member(brokers: &str, topic: &str) -> BaseConsumer {
    let timing = [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500")];
    let member = consumer(brokers, &format!("g-{topic}"), &timing);
    member.subscribe(&[topic]).unwrap();
    member
}

pub(super) async fn groups_share_out_commit_and_take_over(brokers: &str) {
    let topic = topic(brokers, "group", 4, &[]).await;
    let producer = producer(brokers, &[]);
    for i in 0..40 {
        send(&producer, &topic, i % 4, None, Some(&i.to_string())).await;
    }
    let (first, second) = (member(brokers, &topic), member(brokers, &topic));
    settle(&[&first, &second], &[2, 2]);
    first.unsubscribe();
    drop(first);
    settle(&[&second], &[4]);
    let mut done = TopicPartitionList::new();
    (0..4).for_each(|p| done.add_partition_offset(&topic, p, Offset::Offset(7)).unwrap());
    second.commit(&done, CommitMode::Sync).unwrap();
    drop(second);
    let committed = consumer(brokers, &format!("g-{topic}"), &[]).committed_offsets(done, PATIENCE).unwrap();
    assert!(committed.elements().iter().all(|e| e.offset() == Offset::Offset(7)), "{committed:?}");
}

const ASKED: &str = "HONGNIANG_TEST_MEMBER";

/// Not a test of its own: the process that the next one kills.
#[test]
#[ignore = "runs in a process of its own, for the case of a member that dies"]
fn a_member_in_a_process_of_its_own() {
    let Ok(asked) = std::env::var(ASKED) else { return };
    let (brokers, topic) = asked.split_once(' ').unwrap();
    let member = member(brokers, topic);
    loop {
        member.poll(Duration::from_millis(50));
    }
}

pub(super) async fn the_share_of_a_member_that_dies_goes_to_the_others(brokers: &str) {
    let topic = topic(brokers, "death", 4, &[]).await;
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "conformance::groups::a_member_in_a_process_of_its_own", "--ignored", "--nocapture"])
        .env(ASKED, format!("{brokers} {topic}"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let survivor = member(brokers, &topic);
    settle(&[&survivor], &[2]);
    // SIGKILL: it does not say goodbye, and its session has to run out.
    other.kill().unwrap();
    other.wait().unwrap();
    survivor.poll(Duration::from_millis(50));
    assert_eq!(shares(&[&survivor]), [2], "nobody knows yet");
    settle(&[&survivor], &[4]);
}

async fn bus(brokers: &str) -> Bus {
    let bus = Bus::new(BusConfig { brokers: brokers.to_owned(), partitions: 2, ..BusConfig::default() }).unwrap();
    bus.ensure_topics().await.unwrap();
    bus
}

pub(super) async fn one_owns_a_job_and_a_newcomer_does_not_disturb(brokers: &str) {
    let bus = bus(brokers).await;
    let job = format!("job-{}", uuid::Uuid::now_v7());
    let mut first = bus.ownership(&job).await.unwrap();
    first.acquired().await.unwrap();
    let mut second = bus.ownership(&job).await.unwrap();
    // Longer than a heartbeat, a rebalance, and the coordinator's wait for company.
    tokio::select! {
        () = first.lost() => panic!("the owner was disturbed"),
        _ = second.acquired() => panic!("two own the job"),
        () = tokio::time::sleep(Duration::from_secs(5)) => {}
    }
    first.release().await;
    second.acquired().await.unwrap();
}

/// So many values, each batch committed.
async fn values(reader: &mut GroupReader, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < count {
        let records = tokio::time::timeout(PATIENCE, reader.batch(100, Duration::from_millis(20))).await.unwrap().unwrap();
        found.extend(records.into_iter().map(|r| String::from_utf8(r.value.unwrap()).unwrap()));
        assert!(reader.commit().await.unwrap());
    }
    found.sort();
    found
}

pub(super) async fn another_label_begins_anew(brokers: &str) {
    let bus = bus(brokers).await;
    let topics = [topic(brokers, "label", 2, &[]).await];
    let group = format!("g-{}", topics[0]);
    let producer = producer(brokers, &[]);
    for i in 0..4 {
        send(&producer, &topics[0], i % 2, None, Some(&i.to_string())).await;
    }
    let mut reader = bus.group_reader(&group, &topics, "one model").await.unwrap();
    assert_eq!(values(&mut reader, 4).await, ["0", "1", "2", "3"]);
    assert_eq!(reader.held(), 2);
    drop(reader);
    send(&producer, &topics[0], 0, None, Some("4")).await;
    let mut reader = bus.group_reader(&group, &topics, "one model").await.unwrap();
    assert_eq!(values(&mut reader, 1).await, ["4"]);
    drop(reader);
    let mut reader = bus.group_reader(&group, &topics, "another model").await.unwrap();
    assert_eq!(values(&mut reader, 5).await, ["0", "1", "2", "3", "4"]);
}
