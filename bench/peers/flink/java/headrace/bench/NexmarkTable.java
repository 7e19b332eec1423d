package headrace.bench;

import java.util.List;
import java.util.Set;
import org.apache.flink.api.connector.source.util.ratelimit.RateLimiterStrategy;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.SourceProvider;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;

/** Table connector "nexmark": the columns that the table declares of 'table' = 'bid' or 'auction', made in the job, as fast as they are taken. */
public final class NexmarkTable implements DynamicTableSourceFactory {
    private static final ConfigOption<String> TABLE = ConfigOptions.key("table").stringType().noDefaultValue();
    private static final ConfigOption<Long> EVENTS = ConfigOptions.key("events").longType().noDefaultValue();
    private static final ConfigOption<Long> RATE = ConfigOptions.key("events-per-second").longType().defaultValue(10_000L);

    @Override public String factoryIdentifier() { return "nexmark"; }
    @Override public Set<ConfigOption<?>> requiredOptions() { return Set.of(TABLE, EVENTS); }
    @Override public Set<ConfigOption<?>> optionalOptions() { return Set.of(RATE); }

    @Override public DynamicTableSource createDynamicTableSource(Context context) {
        FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
        helper.validate();
        return new Source(helper.getOptions().get(TABLE), helper.getOptions().get(EVENTS), helper.getOptions().get(RATE), context.getPhysicalRowDataType());
    }

    private record Source(String table, long events, long rate, DataType type) implements ScanTableSource {
        @Override public ChangelogMode getChangelogMode() { return ChangelogMode.insertOnly(); }
        @Override public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
            List<String> names = DataType.getFieldNames(type);
            int[] columns = names.stream().mapToInt(name -> Rows.column(table, name)).toArray();
            long rows = table.equals("bid") ? Stream.bids(events) : Stream.auctions(events);
            return SourceProvider.of(
                new DataGeneratorSource<>(new Rows(table.equals("bid"), columns, rate), rows, RateLimiterStrategy.noOp(), context.createTypeInformation(type)), 1);
        }
        @Override public DynamicTableSource copy() { return this; }
        @Override public String asSummaryString() { return "nexmark"; }
    }

    private static final class Rows implements GeneratorFunction<Long, RowData> {
        private static final List<String> BID = List.of("auction", "bidder", "price", "date_time"), AUCTION = List.of("id", "seller", "category", "date_time");
        private final boolean bids;
        private final int[] columns;
        private final long rate;

        Rows(boolean bids, int[] columns, long rate) {
            this.bids = bids;
            this.columns = columns;
            this.rate = rate;
        }

        static int column(String table, String name) {
            int index = (table.equals("bid") ? BID : AUCTION).indexOf(name);
            if (index < 0) throw new IllegalArgumentException("nexmark table " + table + " has no column " + name);
            return index;
        }

        @Override public RowData map(Long number) {
            long event = bids ? Stream.bidEvent(number) : Stream.auctionEvent(number);
            GenericRowData row = new GenericRowData(columns.length);
            for (int i = 0; i < columns.length; i++) row.setField(i, bids ? bid(event, columns[i]) : auction(event, columns[i]));
            return row;
        }
        private Object bid(long event, int column) {
            switch (column) {
                case 0: return Stream.bidAuction(event);
                case 1: return Stream.bidder(event);
                case 2: return Stream.price(event);
                default: return TimestampData.fromEpochMillis(Stream.timeMs(event, rate));
            }
        }
        private Object auction(long event, int column) {
            switch (column) {
                case 0: return Stream.auctionId(event);
                case 1: return Stream.seller(event);
                case 2: return Stream.category(event);
                default: return TimestampData.fromEpochMillis(Stream.timeMs(event, rate));
            }
        }
    }
}
