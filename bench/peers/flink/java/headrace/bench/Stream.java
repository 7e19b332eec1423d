package headrace.bench;

/**
 * The rows of headrace's Nexmark source in Java: the same pure functions of event numbers, so that both engines make the same stream
 * inside the job. See src/data/connector/nexmark/nexmark_model.h; numbers and times only, in order.
 */
final class Stream {
    private static final long SEED = 42, BASE_TIME_MS = 1_436_918_400_000L;
    private static final long EPOCH = 50, AUCTIONS = 3, BIDS = 46, FIRST_ID = 1000, HOT = 100;
    private static final long ACTIVE_PERSONS = 1000, PERSONS_AHEAD = 10, AUCTIONS_BEHIND = 100, AUCTIONS_AHEAD = 10;
    private static final int SELLER_HOT = 1, SELLER = 2, CATEGORY = 3, AUCTION_HOT = 20, AUCTION = 21, BIDDER_HOT = 22, BIDDER = 23, PRICE = 24;

    private Stream() {}

    /** The event of row n of a table, and how many rows a table has among the first events. */
    static long bidEvent(long n) { return n / BIDS * EPOCH + 1 + AUCTIONS + n % BIDS; }
    static long auctionEvent(long n) { return n / AUCTIONS * EPOCH + 1 + n % AUCTIONS; }
    static long personEvent(long n) { return n * EPOCH; }
    static long bids(long events) { return events / EPOCH * BIDS + Math.max(0, events % EPOCH - 1 - AUCTIONS); }
    static long auctions(long events) { return events / EPOCH * AUCTIONS + Math.min(AUCTIONS, Math.max(0, events % EPOCH - 1)); }
    static long persons(long events) { return (events + EPOCH - 1) / EPOCH; }

    static long timeMs(long event, long rate) { return BASE_TIME_MS + event / rate * 1000 + event % rate * 1000 / rate; }

    static long mix(long x) {
        x = (x ^ (x >>> 30)) * 0xBF58476D1CE4E5B9L;
        x = (x ^ (x >>> 27)) * 0x94D049BB133111EBL;
        return x ^ (x >>> 31);
    }

    private static long bits(long event, int draw) { return mix(SEED + event * 0x9E3779B97F4A7C15L + draw * 0xD1B54A32D192ED03L); }
    private static long uniform(long event, int draw, long below) {
        long r = bits(event, draw);
        return Math.multiplyHigh(r, below) + ((r >> 63) & below); // the unsigned product's high word
    }

    private static long lastPerson(long event) { return event / EPOCH; }
    private static long lastAuction(long event) {
        long epoch = event / EPOCH, offset = event % EPOCH;
        if (offset == 0) return epoch == 0 ? 0 : epoch * AUCTIONS - 1;
        return epoch * AUCTIONS + Math.min(offset, AUCTIONS) - 1;
    }
    private static long activePerson(long event, int draw) {
        long persons = lastPerson(event) + 1, active = Math.min(persons, ACTIVE_PERSONS);
        return FIRST_ID + persons - active + uniform(event, draw, active + PERSONS_AHEAD);
    }

    static long auctionId(long event) { return FIRST_ID + lastAuction(event); }
    static long category(long event) { return 10 + uniform(event, CATEGORY, 5); }
    static long seller(long event) {
        return uniform(event, SELLER_HOT, 4) > 0 ? FIRST_ID + lastPerson(event) / HOT * HOT : activePerson(event, SELLER);
    }
    static long bidder(long event) {
        return uniform(event, BIDDER_HOT, 4) > 0 ? FIRST_ID + lastPerson(event) / HOT * HOT + 1 : activePerson(event, BIDDER);
    }
    static long bidAuction(long event) {
        long last = lastAuction(event);
        if (bits(event, AUCTION_HOT) < 0) return FIRST_ID + last / HOT * HOT;
        long least = Math.max(0, last - AUCTIONS_BEHIND);
        return FIRST_ID + least + uniform(event, AUCTION, last - least + 1 + AUCTIONS_AHEAD);
    }
    /** Log-uniform from 100 to 10^8; the polynomial of the model, so that the doubles are the same. */
    static long price(long event) {
        double x = (bits(event, PRICE) >>> 11) * 0x1p-53 * 19.931568569324174;
        long whole = (long) x;
        double f = x - whole;
        double power = 1.0 + f * (0.6931471805599453 + f * (0.2402265069591007
            + f * (0.0555041086648216 + f * (0.009618129107628477 + f * (0.0013333558146428443 + f * 0.00015614105834634314)))));
        return (long) (power * (double) (1L << whole) * 100.0 + 0.5);
    }
}
