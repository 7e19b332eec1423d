package headrace.bench;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/**
 * Client HOST PORT: submits the scripts whose paths come on the standard input, a line each, or "latency ARGUMENTS", and waits for their jobs'
 * ends; one line each: "ok JOB_ID" or "failed REASON". Statements end with ";" at the end of a line; the INSERT of a script is its job.
 */
public final class Client {
    private Client() {}

    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        System.out.println("ready");
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String answer;
            try {
                StreamExecutionEnvironment streams = connect(arguments[0], Integer.parseInt(arguments[1]));
                answer = "ok " + (line.startsWith("latency ") ? Latency.run(streams, line.substring(8).split(" ")) : run(Files.readString(Path.of(line)), streams));
            } catch (Throwable error) {
                Throwable cause = error;
                while (cause.getCause() != null) cause = cause.getCause();
                answer = "failed " + String.valueOf(cause).replace('\n', ' ');
            }
            System.out.println(answer);
        }
    }

    private static StreamExecutionEnvironment connect(String host, int port) {
        Configuration configuration = new Configuration();
        configuration.setString("pipeline.object-reuse", "true");
        configuration.setString("table.local-time-zone", "UTC");
        return StreamExecutionEnvironment.createRemoteEnvironment(host, port, configuration);
    }

    private static String run(String script, StreamExecutionEnvironment streams) throws Exception {
        StreamTableEnvironment tables = StreamTableEnvironment.create(streams);
        String job = "-";
        for (String statement : script.split(";\\s*(\\n|$)")) {
            statement = statement.strip();
            if (statement.isEmpty()) continue;
            if (statement.startsWith("SET ")) {
                String[] parts = statement.substring(4).replace("'", "").split("=", 2);
                tables.getConfig().set(parts[0].strip(), parts[1].strip());
                continue;
            }
            TableResult result = tables.executeSql(statement);
            if (statement.startsWith("INSERT")) {
                result.await();
                job = result.getJobClient().orElseThrow().getJobID().toString();
            }
        }
        return job;
    }
}
