package o365flow.test;

import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.function.Supplier;

/**
 * Starts one OpenSearch node from jars on the class path: {@code OpenSearchServer HOME MODULE_CLASS...}. Its settings
 * are those of HOME/config/opensearch.yml; it ends with SIGTERM.
 *
 * <p>By reflection, because OpenSearch is compiled for a newer Java than the compiler that the tests have.
 */
public final class OpenSearchServer {
    private OpenSearchServer() {}

    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]);
        Collection<Class<?>> modules = new ArrayList<>();
        for (String name : List.of(arguments).subList(1, arguments.length)) {
            modules.add(Class.forName(name));
        }
        Object node = Class.forName("org.codelibs.opensearch.runner.node.OpenSearchRunnerNode")
                .getConstructor(Class.forName("org.opensearch.env.Environment"), Collection.class)
                .newInstance(environment(home), modules);
        Method close = node.getClass().getMethod("close");
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                close.invoke(node);
            } catch (ReflectiveOperationException error) {
                error.printStackTrace();
            }
            ended.countDown();
        }));
        node.getClass().getMethod("start").invoke(node);
        ended.await();
    }

    /** What OpenSearch makes of {@code home} and the settings in it. */
    private static Object environment(Path home) throws ReflectiveOperationException {
        Class<?> settingsClass = Class.forName("org.opensearch.common.settings.Settings");
        Object builder = settingsClass.getMethod("builder").invoke(null);
        builder.getClass().getMethod("put", String.class, String.class)
                .invoke(builder, "path.home", home.toString());
        Object settings = builder.getClass().getMethod("build").invoke(builder);
        Supplier<String> nodeName = () -> "o365flow-test";
        return Class.forName("org.opensearch.node.InternalSettingsPreparer")
                .getMethod("prepareEnvironment", settingsClass, Map.class, Path.class, Supplier.class)
                .invoke(null, settings, Map.of(), home.resolve("config"), nodeName);
    }
}
