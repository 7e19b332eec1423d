"""Two streams of readings in one: union, dataclasses as rows, the running maximum per sensor, collected back into the program."""

from dataclasses import dataclass

from headrace import StreamExecutionEnvironment


@dataclass(frozen=True)
class Reading:
    sensor: str
    celsius: float


def hotter(a: Reading, b: Reading) -> Reading:
    return a if a.celsius >= b.celsius else b


def main() -> None:
    env = StreamExecutionEnvironment("Sensors")
    roof = env.from_collection([Reading("roof", 21.5), Reading("roof", 24.0), Reading("roof", 19.0)])
    cellar = env.from_collection([("cellar", 50.0), ("cellar", 59.0)]).map(lambda row: Reading(row[0], (row[1] - 32) / 1.8))
    highest = roof.union(cellar).key_by(lambda reading: reading.sensor).reduce(hotter)

    final = {}
    for reading in highest.collect():  # the running maximum, one row for each reading
        final[reading.sensor] = reading.celsius
    for sensor, celsius in sorted(final.items()):
        print(f"{sensor}: {celsius:.1f} °C")


if __name__ == "__main__":
    main()
