//! SIGKILL of the broker while somebody writes: what was acknowledged is there, once, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::producer::FutureRecord;
use rdkafka::topic_partition_list::Offset;

use super::brokers::Process;
use super::{PATIENCE, assigned, producer, take, texts, topic};
use crate::streams::Dice;

/// Writes until told to stop; what was acknowledged comes back, in the order in which it was sent.
async fn write(brokers: String, topic: String, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicUsize>) -> Vec<String> {
    let producer = producer(&brokers, &[("delivery.timeout.ms", "120000"), ("acks", "all")]);
    let (mut all, mut n) = (Vec::new(), 0u64);
    while !stop.load(Ordering::Acquire) {
        let values: Vec<String> = (n..n + 20).map(|n| n.to_string()).collect();
        n += 20;
        let sent = values.iter().map(|value| producer.send(FutureRecord::<(), _>::to(&topic).payload(value), Duration::from_secs(120)));
        for (value, sent) in values.iter().zip(futures::future::join_all(sent).await) {
            sent.map_err(|(error, _)| error).unwrap_or_else(|e| panic!("the producer gave up {value}: {e}"));
            all.push(value.clone());
        }
        acknowledged.store(all.len(), Ordering::Release);
    }
    all
}

pub(super) async fn acknowledged_records_outlive_kills(broker: &mut Process) {
    let mut dice = Dice::thrown("kills of a broker");
    let topic = topic(&broker.brokers, "kill", 1, &[]).await;
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writer = tokio::spawn(write(broker.brokers.clone(), topic.clone(), Arc::clone(&stop), Arc::clone(&count)));
    let more = async |than: usize| {
        let deadline = Instant::now() + Duration::from_secs(90);
        while count.load(Ordering::Acquire) <= than {
            assert!(Instant::now() < deadline, "no more than {than} are acknowledged");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    for _ in 0..2 {
        more(count.load(Ordering::Acquire) + 100).await;
        tokio::time::sleep(Duration::from_millis(dice.roll(300))).await;
        broker.kill_and_restart().await;
    }
    more(count.load(Ordering::Acquire) + 100).await;
    stop.store(true, Ordering::Release);
    let acknowledged = writer.await.unwrap();
    let got = take(&assigned(&broker.brokers, &topic, 0, Offset::Beginning, &[]), acknowledged.len(), PATIENCE);
    assert_eq!(texts(&got), acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_records_outlive_kills_of_the_embedded_broker() {
    let folder = tempfile::tempdir().unwrap();
    acknowledged_records_outlive_kills(&mut Process::embedded(folder.path()).await).await;
}
