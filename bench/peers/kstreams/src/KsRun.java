// One process = one Kafka Streams application over the flat topic of bids; it stops when it has handled every
// record that was in the topic at its start, closes (flush and commit) and prints figures as JSON.
//   java -cp ... KsRun --query q1|q2|gcount|gagg --bootstrap B --topic T-bid --threads 2 --eos true|false [--commit MS] [--cache BYTES] [--statedir DIR]
// Output goes to a real Kafka topic (Streams has no blackhole): q1 and q2 every row, the group-bys their changelog through the record cache.
import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.node.*;
import java.lang.management.ManagementFactory;
import java.time.*;
import java.util.*;
import java.util.concurrent.atomic.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.api.*;

public class KsRun {
  static final ObjectMapper M = new ObjectMapper();
  // typed records: what a careful user would write (no generic tree kept in memory, binary between repartitions kept as JSON)
  static class Bid { public long auction, bidder, price; public String channel, url, dateTime, extra; }
  static <T> Serde<T> json(Class<T> c) {
    ObjectReader r = M.readerFor(c); ObjectWriter w = M.writerFor(c);
    return Serdes.serdeFrom((t, v) -> { try { return v == null ? null : w.writeValueAsBytes(v); } catch (Exception e) { throw new RuntimeException(e); } },
        (t, b) -> { try { return b == null ? null : r.readValue(b); } catch (Exception e) { throw new RuntimeException(e); } });
  }
  static class Out { public long auction, bidder; public double price; public String dateTime, extra; }
  static class Cnt { public long auction, num, turnover, top; }
  static long cpuMs() { return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1_000_000; }

  static final LongAdder read = new LongAdder(), sentDown = new LongAdder(), gotDown = new LongAdder(), emitted = new LongAdder();

  public static void main(String[] a) throws Exception {
    long jvm = ManagementFactory.getRuntimeMXBean().getStartTime();
    Map<String, String> o = new HashMap<>();
    for (int i = 0; i + 1 < a.length; i += 2) o.put(a[i].substring(2), a[i + 1]);
    String q = o.get("query"), bs = o.get("bootstrap"), topic = o.get("topic");
    boolean unbounded = Boolean.parseBoolean(o.getOrDefault("unbounded", "false"));
    String app = "ks-" + q + "-" + ProcessHandle.current().pid(), out = o.getOrDefault("out", app + "-out");
    Properties ap = new Properties(); ap.put("bootstrap.servers", bs);
    long total = 0; Admin admin = Admin.create(ap);
    int np = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    Map<TopicPartition, OffsetSpec> want = new HashMap<>();
    for (int i = 0; i < np; i++) want.put(new TopicPartition(topic, i), OffsetSpec.latest());
    for (var e : admin.listOffsets(want).all().get().values()) total += e.offset();
    if (!o.containsKey("out")) admin.createTopics(List.of(new NewTopic(out, np, (short) 1))).all().get();

    Properties p = new Properties();
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, app);
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bs);
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, o.getOrDefault("threads", "2"));
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, Boolean.parseBoolean(o.getOrDefault("eos", "false")) ? "exactly_once_v2" : "at_least_once");
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, o.getOrDefault("commit", "10000"));
    p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, o.getOrDefault("cache", "67108864"));
    p.put(StreamsConfig.STATE_DIR_CONFIG, o.getOrDefault("statedir", "/tmp/ks-state"));
    p.put("default.dsl.store", o.getOrDefault("store", "rocksDB").equals("memory") ? "in_memory" : "rocksDB");
    p.put("consumer.auto.offset.reset", "earliest");
    p.put("consumer.max.poll.records", "2000");
    p.put("consumer.fetch.max.bytes", "16777216"); p.put("consumer.max.partition.fetch.bytes", "4194304");
    p.put("producer.linger.ms", o.getOrDefault("linger", "20")); p.put("producer.batch.size", "131072");
    p.put("topology.optimization", "all");
    p.put("producer.transaction.timeout.ms", "120000"); // Streams sets 10 s itself: a 10 s commit interval then aborts under load, for ever

    StreamsBuilder b = new StreamsBuilder();
    KStream<byte[], Bid> bids = b.stream(topic, Consumed.with(Serdes.ByteArray(), json(Bid.class))).peek((k, v) -> read.increment());
    Serde<Long> L = Serdes.Long(); Serde<byte[]> B = Serdes.ByteArray();
    switch (q) {
      case "q1" -> bids.mapValues(x -> { Out r = new Out(); r.auction = x.auction; r.bidder = x.bidder; r.price = 0.908 * x.price; r.dateTime = x.dateTime; r.extra = x.extra; return r; })
          .peek((k, v) -> emitted.increment()).to(out, Produced.with(B, json(Out.class)));
      case "q2" -> bids.filter((k, x) -> x.auction % 123 == 0).mapValues(x -> { Cnt r = new Cnt(); r.auction = x.auction; r.num = x.price; return r; })
          .peek((k, v) -> emitted.increment()).to(out, Produced.with(B, json(Cnt.class)));
      case "gcount", "gagg" -> bids.peek((k, v) -> sentDown.increment()).map((k, x) -> KeyValue.pair(x.auction, x.price))
          .repartition(Repartitioned.with(L, L).withNumberOfPartitions(np)).peek((k, v) -> gotDown.increment())
          .groupByKey(Grouped.with(L, L))
          .aggregate(Cnt::new, (k, price, c) -> { c.auction = k; c.num++; if (q.equals("gagg")) { c.turnover += price; c.top = Math.max(c.top, price); } return c; }, Materialized.with(L, json(Cnt.class)))
          .toStream().peek((k, v) -> emitted.increment()).to(out, Produced.with(L, json(Cnt.class)));
      default -> throw new IllegalArgumentException(q);
    }
    KafkaStreams ks = new KafkaStreams(b.build(p), p);
    AtomicBoolean bad = new AtomicBoolean();
    ks.setUncaughtExceptionHandler(e -> { e.printStackTrace(); bad.set(true); return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT; });
    ks.start();
    while (!bad.get() && read.sum() == 0) Thread.sleep(5);
    long t0 = System.currentTimeMillis(), c0 = cpuMs();
    System.err.println("first record after " + (t0 - jvm) + " ms");
    if (unbounded) { Runtime.getRuntime().addShutdownHook(new Thread(() -> ks.close(Duration.ofSeconds(10)))); Thread.sleep(Long.MAX_VALUE); }
    long ch = 0, rh = 0; // second half apart: by then the JVM runs compiled code
    while (!bad.get() && (read.sum() < total || gotDown.sum() < sentDown.sum())) {
      if (rh == 0 && read.sum() >= total / 2) { rh = read.sum(); ch = cpuMs(); }
      Thread.sleep(10);
    }
    long t1 = System.currentTimeMillis();
    ks.close(Duration.ofSeconds(60));
    long t2 = System.currentTimeMillis(), c2 = cpuMs();
    System.out.println(String.format("{\"startup_ms\":%d,\"startup_cpu_ms\":%d,\"job_cpu_ms\":%d,\"done_ms\":%d,\"work_ms\":%d,\"second_half_events\":%d,\"second_half_cpu_ms\":%d,\"read\":%d,\"down\":%d,\"emitted\":%d}",
        t0 - jvm, c0, c2 - c0, t1 - t0, t2 - t0, total - rh, c2 - ch, read.sum(), gotDown.sum(), emitted.sum()));
    List<String> mine = admin.listTopics().names().get().stream().filter(n -> n.startsWith(app)).collect(Collectors.toList());
    admin.deleteTopics(mine).all().get();
    ks.cleanUp();
    System.exit(bad.get() ? 1 : 0);
  }
}
