package headrace.bench;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.SinkV2Provider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.types.RowKind;

/**
 * Table connector "result": counts the rows that come; with 'digest' = 'true' also the commutative 128-bit digest that
 * bench/support/row_digest.h defines. With 'keys' = n rows are changes of the row of their first n columns, and the digest is that of the last
 * rows. At the end of the input "rows digest" is written to the file 'path'. Parallelism 1.
 */
public final class ResultTable implements DynamicTableSinkFactory {
    private static final ConfigOption<String> PATH = ConfigOptions.key("path").stringType().noDefaultValue();
    private static final ConfigOption<Boolean> DIGEST = ConfigOptions.key("digest").booleanType().defaultValue(false);
    private static final ConfigOption<Integer> KEYS = ConfigOptions.key("keys").intType().defaultValue(0);

    @Override public String factoryIdentifier() { return "result"; }
    @Override public Set<ConfigOption<?>> requiredOptions() { return Set.of(PATH); }
    @Override public Set<ConfigOption<?>> optionalOptions() { return Set.of(DIGEST, KEYS); }

    @Override public DynamicTableSink createDynamicTableSink(Context context) {
        FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
        helper.validate();
        List<LogicalType> types = context.getPhysicalRowDataType().getLogicalType().getChildren();
        LogicalTypeRoot[] roots = types.stream().map(LogicalType::getTypeRoot).toArray(LogicalTypeRoot[]::new);
        return new Table(new Results(helper.getOptions().get(PATH), helper.getOptions().get(DIGEST), helper.getOptions().get(KEYS), roots));
    }

    private record Table(Results results) implements DynamicTableSink {
        @Override public ChangelogMode getChangelogMode(ChangelogMode requested) {
            return results.keys > 0 ? ChangelogMode.upsert() : ChangelogMode.insertOnly();
        }
        @Override public SinkRuntimeProvider getSinkRuntimeProvider(Context context) { return SinkV2Provider.of(results, 1); }
        @Override public DynamicTableSink copy() { return this; }
        @Override public String asSummaryString() { return "result"; }
    }

    private record Results(String path, boolean digest, int keys, LogicalTypeRoot[] types) implements Sink<RowData> {
        @Override public SinkWriter<RowData> createWriter(WriterInitContext context) { return new Writer(this); }
    }

    private static final class Writer implements SinkWriter<RowData> {
        private final Results spec;
        private final Map<List<Long>, long[]> last = new HashMap<>();
        private long rows, low, high;

        Writer(Results spec) { this.spec = spec; }

        @Override public void write(RowData row, Context context) {
            rows++;
            if (!spec.digest) return;
            long[] words = new long[spec.types.length];
            for (int i = 0; i < words.length; i++) words[i] = word(row, i);
            if (spec.keys == 0) {
                add(words);
                return;
            }
            List<Long> key = Arrays.stream(words, 0, spec.keys).boxed().toList();
            if (row.getRowKind() == RowKind.DELETE) last.remove(key);
            else last.put(key, words);
        }
        private long word(RowData row, int column) {
            switch (spec.types[column]) {
                case BIGINT: return row.getLong(column);
                case DATE: return row.getInt(column);
                case DOUBLE: return Double.doubleToRawLongBits(row.getDouble(column));
                case TIMESTAMP_WITHOUT_TIME_ZONE: return row.getTimestamp(column, 3).getMillisecond();
                default: throw new IllegalArgumentException("no digest of " + spec.types[column]);
            }
        }
        private void add(long[] words) {
            long a = 0x243F6A8885A308D3L, b = 0x13198A2E03707344L;
            for (long word : words) {
                a = Stream.mix(a ^ word);
                b = Stream.mix(b + word);
            }
            low += a;
            high += b;
        }
        @Override public void flush(boolean end) throws java.io.IOException {
            if (!end) return;
            last.values().forEach(this::add);
            String digest = spec.digest ? String.format("%016x%016x", high, low) : "-";
            Files.write(Path.of(spec.path), (rows + " " + digest + "\n").getBytes(StandardCharsets.US_ASCII));
        }
        @Override public void close() {}
    }
}
