package headrace.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.WindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/**
 * Counts of keys in windows of 1 s that slide by 10 ms, rows on a schedule fixed beforehand: row i is due i / rate seconds behind the start,
 * whether the job keeps up or not, and a result's time counts from its window's end on the schedule to its arrival at the sink. What
 * bench/programs/latency_bench.cc does with the engine. Window operators of the DataStream API: those of SQL put 100 slices together a result.
 */
final class Latency {
    private static final long BASE_MS = 1_700_000_000_000L;
    /** The start of the run; source and sink are in one process, and this class is on its class path. */
    private static volatile long startNs;

    private Latency() {}

    /** "RATE ROWS KEYS PACED PATH": runs to the end; the file holds "seconds results p50 p99 p999 p9999", times in ms. */
    static String run(StreamExecutionEnvironment environment, String[] arguments) throws Exception {
        double rate = Double.parseDouble(arguments[0]);
        long rows = Long.parseLong(arguments[1]), keys = Long.parseLong(arguments[2]);
        boolean paced = Boolean.parseBoolean(arguments[3]);
        GeneratorFunction<Long, Long> numbers = new Numbers(rate, paced);
        WatermarkStrategy<Long> times = WatermarkStrategy.<Long>forMonotonousTimestamps().withTimestampAssigner((row, t) -> BASE_MS + dueNs(row, rate) / 1_000_000);
        environment.fromSource(new DataGeneratorSource<>(numbers, rows, Types.LONG), times, "rows")
            .keyBy(row -> key(row, keys), Types.LONG)
            .window(SlidingEventTimeWindows.of(Duration.ofSeconds(1), Duration.ofMillis(10)))
            .aggregate(new Count(), new Tag(), Types.LONG, Types.TUPLE(Types.LONG, Types.LONG, Types.LONG))
            .sinkTo(new Latencies(rate, rows, arguments[4]));
        JobClient job = environment.executeAsync("latency");
        job.getJobExecutionResult().get();
        return job.getJobID().toString();
    }

    private static long dueNs(long row, double rate) { return (long) (row / rate * 1e9); }
    private static long key(long row, long keys) {
        long draw = Stream.mix(row * 0x9E3779B97F4A7C15L);
        return Math.multiplyHigh(draw, keys) + ((draw >> 63) & keys);
    }

    private record Numbers(double rate, boolean paced) implements GeneratorFunction<Long, Long> {
        @Override public Long map(Long row) {
            if (row == 0) startNs = System.nanoTime();
            // A row is held back alone, for as long as rows lie apart: the task's timers run in between.
            while (paced) {
                long left = startNs + dueNs(row, rate) - System.nanoTime();
                if (left <= 0) break;
                if (left > 50_000) LockSupport.parkNanos(left - 50_000);
            }
            return row;
        }
    }

    private static final class Count implements AggregateFunction<Long, Long, Long> {
        @Override public Long createAccumulator() { return 0L; }
        @Override public Long add(Long row, Long count) { return count + 1; }
        @Override public Long getResult(Long count) { return count; }
        @Override public Long merge(Long a, Long b) { return a + b; }
    }

    private static final class Tag implements WindowFunction<Long, Tuple3<Long, Long, Long>, Long, TimeWindow> {
        @Override public void apply(Long key, TimeWindow window, Iterable<Long> counts, Collector<Tuple3<Long, Long, Long>> out) {
            out.collect(Tuple3.of(key, counts.iterator().next(), window.getEnd()));
        }
    }

    private record Latencies(double rate, long rows, String path) implements Sink<Tuple3<Long, Long, Long>> {
        @Override public SinkWriter<Tuple3<Long, Long, Long>> createWriter(WriterInitContext context) { return new Writer(this); }
    }

    /** A histogram with 64 steps for each doubling of the time. */
    private static final class Writer implements SinkWriter<Tuple3<Long, Long, Long>> {
        private static final int STEPS = 64;
        private final Latencies spec;
        private final long endNs;
        private final long[] counts = new long[64 * STEPS];
        private long total;

        Writer(Latencies spec) {
            this.spec = spec;
            endNs = dueNs(spec.rows - 1, spec.rate);
        }
        @Override public void write(Tuple3<Long, Long, Long> result, Context context) {
            long due = (result.f2 - BASE_MS) * 1_000_000;
            if (due <= 1_000_000_000 || due > endNs) return;
            long ns = Math.max(STEPS, System.nanoTime() - startNs - due);
            int doubling = 63 - Long.numberOfLeadingZeros(ns);
            counts[doubling * STEPS + (int) ((ns >>> (doubling - 6)) & (STEPS - 1))]++;
            total++;
        }
        private double percentileMs(double share) {
            long left = (long) Math.ceil(total * share);
            for (int i = 0; i < counts.length; i++) {
                left -= counts[i];
                if (left <= 0) return (STEPS + i % STEPS + 1) * Math.pow(2, i / STEPS - 6) / 1e6;
            }
            return 0;
        }
        @Override public void flush(boolean end) throws IOException {
            if (!end) return;
            String line = String.format("%.6f %d %.3f %.3f %.3f %.3f%n", (System.nanoTime() - startNs) / 1e9, total, percentileMs(0.5), percentileMs(0.99),
                percentileMs(0.999), percentileMs(0.9999));
            Files.write(Path.of(spec.path), line.getBytes(StandardCharsets.US_ASCII));
        }
        @Override public void close() {}
    }
}
