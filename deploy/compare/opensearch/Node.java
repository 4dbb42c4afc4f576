import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.settings.Settings;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.painless.PainlessPlugin;
import org.opensearch.transport.Netty4Plugin;

/** One OpenSearch node with its plugins on the class path. {@code Node FOLDER}: keeps everything in FOLDER, and writes where it listens into FOLDER/address. */
public final class Node extends org.opensearch.node.Node {
    private Node(Settings settings) {
        super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "node"), List.of(Netty4Plugin.class, PainlessPlugin.class), false);
    }

    public static void main(String[] args) throws Exception {
        var folder = Path.of(args[0]).toAbsolutePath();
        var settings = Settings.builder()
            .put("path.home", folder)
            .put("path.data", folder.resolve("data"))
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", "0")
            .put("transport.port", "0")
            .put("transport.type", "netty4")
            .put("http.type", "netty4")
            .build();
        var node = new Node(settings);
        node.start();
        var address = node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress();
        var made = folder.resolve("address.new");
        Files.writeString(made, address.getAddress() + ":" + address.getPort() + "\n");
        Files.move(made, folder.resolve("address"));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (java.io.IOException e) {
                System.err.println(e);
            }
        }));
        new CountDownLatch(1).await();
    }
}
