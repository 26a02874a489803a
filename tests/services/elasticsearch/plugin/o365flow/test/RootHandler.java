package o365flow.test;

import java.io.IOException;
import java.util.List;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/** Answers {@code GET /} and {@code HEAD /} with the name and version that clients look for. */
final class RootHandler extends BaseRestHandler {
    private final String nodeName;
    private final String clusterName;

    RootHandler(Settings settings) {
        this.nodeName = settings.get("node.name");
        this.clusterName = settings.get("cluster.name");
    }

    @Override
    public String getName() {
        return "o365flow_test_root";
    }

    @Override
    public List<Route> routes() {
        return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
        return channel -> {
            try (XContentBuilder body = channel.newBuilder()) {
                channel.sendResponse(new RestResponse(RestStatus.OK, describe(body)));
            }
        };
    }

    private XContentBuilder describe(XContentBuilder body) throws IOException {
        return body.startObject()
            .field("name", nodeName)
            .field("cluster_name", clusterName)
            .startObject("version")
            .field("number", Build.current().version())
            .field("build_flavor", Build.current().flavor())
            .endObject()
            .field("tagline", "You Know, for Search")
            .endObject();
    }
}
