//! Kibana's saved objects, as Kibana 8.8 and later import them.
//!
//! Panels are aggregation-based visualizations: the oldest kind, whose format no release has changed since 7, where
//! Lens's is migrated by nearly each. Their queries are Lucene's, which Elasticsearch answers itself: what a panel
//! asks can be asked without a Kibana.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    dashboards::{Dashboard, Description, Kind, Panel, Search},
    hold,
};

/// The data view, by which everything else finds its events.
const DATA_VIEW: &str = "o365flow-audit";

/// Columns of a dashboard.
const COLUMNS: u32 = 48;

/// Height of the links to the other dashboards.
const LINKS_HEIGHT: u32 = 4;

/// Values that a panel shows, before what is left is summed up.
const VALUES: u32 = 10;

/// Rows of a page of a table.
const ROWS: u32 = 10;

/// The format of each type of object, by the release that introduced it.
fn object(kind: &str, id: &str, attributes: &Value, references: &[Value]) -> Value {
    let format = match kind {
        "index-pattern" => "8.0.0",
        "search" => "7.9.3",
        "visualization" => "8.5.0",
        _ => "8.7.0",
    };
    json!({
        "type": kind,
        "id": id,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": "8.8.0",
        "typeMigrationVersion": format,
        "managed": false,
    })
}

fn data_view() -> Value {
    let attributes = json!({
        "title": "logs-o365.audit-*,o365-*",
        "name": "Office 365 audit",
        "timeFieldName": "@timestamp",
        "allowNoIndex": true,
        "fields": "[]",
        "fieldAttrs": "{}",
        "fieldFormatMap": "{}",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    });
    object("index-pattern", DATA_VIEW, &attributes, &[])
}

/// Where events come from and which, as text, and the reference that it takes.
fn source(query: &str) -> (Value, Value) {
    const NAME: &str = "kibanaSavedObjectMeta.searchSourceJSON.index";
    let source = json!({
        "query": { "language": "lucene", "query": query },
        "filter": [],
        "indexRefName": NAME,
    });
    let reference = json!({ "type": "index-pattern", "id": DATA_VIEW, "name": NAME });
    (json!({ "searchSourceJSON": source.to_string() }), reference)
}

fn search(search: &Search) -> Value {
    let (source, reference) = source(&search.query);
    let attributes = json!({
        "title": format!("{} [o365flow]", search.title),
        "description": "",
        "columns": search.columns,
        "sort": [["@timestamp", "desc"]],
        "grid": {},
        "hideChart": false,
        "kibanaSavedObjectMeta": source,
    });
    object("search", &search_id(&search.id), &attributes, &[reference])
}

fn search_id(id: &str) -> String {
    format!("o365flow-search-{id}")
}

fn dashboard_id(id: &str) -> String {
    format!("o365flow-{id}")
}

fn visualization(id: &str, title: &str, panel: &Panel) -> Value {
    let (kind, params) = appearance(&panel.kind);
    let title = format!("{title}: {} [o365flow]", panel.title);
    let state = json!({ "title": title, "type": kind, "params": params, "aggs": aggregations(&panel.kind) });
    let (source, reference) = source(&panel.query);
    let attributes = json!({
        "title": title,
        "description": "",
        "uiStateJSON": "{}",
        "version": 1,
        "visState": state.to_string(),
        "kibanaSavedObjectMeta": source,
    });
    object("visualization", id, &attributes, &[reference])
}

/// What a panel counts, in Kibana's words.
fn aggregations(kind: &Kind) -> Value {
    let aggregation = |id: usize, kind: &str, schema: &str, params: Value| json!({ "id": id.to_string(), "enabled": true, "type": kind, "schema": schema, "params": params });
    let count = || aggregation(1, "count", "metric", json!({}));
    let terms = |id: usize, schema: &str, field: &str| {
        let params = json!({
            "field": field, "size": VALUES, "order": "desc", "orderBy": "1",
            "otherBucket": false, "otherBucketLabel": "Other",
            "missingBucket": false, "missingBucketLabel": "Missing",
        });
        aggregation(id, "terms", schema, params)
    };
    match kind {
        Kind::Count | Kind::Search { .. } => json!([count()]),
        Kind::Distinct { field } => {
            let params = json!({ "field": field, "customLabel": "Different" });
            json!([aggregation(1, "cardinality", "metric", params)])
        }
        Kind::Newest { field } => {
            let params = json!({ "field": field, "customLabel": "UTC" });
            json!([aggregation(1, "max", "metric", params)])
        }
        Kind::Time { field, time_field } => {
            let params = json!({
                "field": time_field, "interval": "auto", "useNormalizedEsInterval": true,
                "min_doc_count": 1, "drop_partials": false, "extended_bounds": {},
                "scaleMetricValues": false,
            });
            let time = aggregation(2, "date_histogram", "segment", params);
            json!([count(), time, terms(3, "group", field)])
        }
        Kind::Share { field } | Kind::Top { field } => json!([count(), terms(2, "segment", field)]),
        Kind::Table { fields } => {
            let columns = fields.iter().enumerate();
            let columns = columns.map(|(at, field)| terms(2 + at, "bucket", field));
            std::iter::once(count()).chain(columns).collect()
        }
    }
}

/// The type of a visualization and its looks.
fn appearance(kind: &Kind) -> (&'static str, Value) {
    match kind {
        Kind::Count | Kind::Distinct { .. } | Kind::Newest { .. } | Kind::Search { .. } => {
            let style = json!({
                "bgColor": false, "bgFill": "#000", "fontSize": 36, "labelColor": false, "subText": "",
            });
            let metric = json!({
                "colorSchema": "Green to Red", "colorsRange": [{ "from": 0, "to": 10000 }],
                "invertColors": false, "labels": { "show": true }, "metricColorMode": "None",
                "percentageMode": false, "style": style, "useRanges": false,
            });
            (
                "metric",
                json!({ "type": "metric", "addLegend": false, "addTooltip": true, "metric": metric }),
            )
        }
        Kind::Time { .. } => ("histogram", axes("histogram", "stacked", ("bottom", "left"))),
        Kind::Top { .. } => {
            ("horizontal_bar", axes("horizontal_bar", "normal", ("left", "bottom")))
        }
        Kind::Share { .. } => {
            let labels = json!({
                "last_level": true, "position": "default", "show": true, "truncate": 40,
                "values": true, "valuesFormat": "percent", "percentDecimals": 1,
            });
            (
                "pie",
                json!({
                    "type": "pie", "addLegend": true, "addTooltip": true, "isDonut": true,
                    "legendPosition": "right", "labels": labels,
                }),
            )
        }
        Kind::Table { .. } => (
            "table",
            json!({
                "perPage": ROWS, "percentageCol": "", "showMetricsAtAllLevels": false,
                "showPartialRows": false, "showToolbar": true, "showTotal": false, "totalFunc": "sum",
            }),
        ),
    }
}

/// Bars, where `sides` are those of the values and of their counts.
fn axes(kind: &str, mode: &str, (values, counts): (&str, &str)) -> Value {
    let labels = json!({ "show": true, "filter": true, "truncate": 100 });
    json!({
        "type": kind,
        "addLegend": kind == "histogram",
        "addTimeMarker": false,
        "addTooltip": true,
        "legendPosition": "right",
        "times": [],
        "grid": { "categoryLines": false },
        "labels": { "show": false },
        "thresholdLine": {
            "show": false, "value": 10, "width": 1, "style": "full", "color": "#E7664C",
        },
        "categoryAxes": [{
            "id": "CategoryAxis-1", "type": "category", "position": values, "show": true,
            "style": {}, "scale": { "type": "linear" }, "labels": labels, "title": {},
        }],
        "valueAxes": [{
            "id": "ValueAxis-1", "name": "ValueAxis-1", "type": "value", "position": counts,
            "show": true, "style": {}, "scale": { "type": "linear", "mode": "normal" },
            "labels": labels, "title": { "text": "Events" },
        }],
        "seriesParams": [{
            "type": "histogram", "mode": mode, "show": true, "valueAxis": "ValueAxis-1",
            "data": { "id": "1", "label": "Events" }, "drawLinesBetweenPoints": true,
            "lineWidth": 2, "showCircles": true,
        }],
    })
}

/// The links from one dashboard to the others.
fn links(all: &[Dashboard], here: &Dashboard) -> Value {
    let links = all.iter().map(|other| {
        if other.id == here.id {
            format!("**{}**", other.title)
        } else {
            format!("[{}](#/view/{})", other.title, dashboard_id(&other.id))
        }
    });
    let markdown = links.collect::<Vec<_>>().join(" | ");
    let params = json!({ "fontSize": 12, "openLinksInNewTab": false, "markdown": markdown });
    let title = format!("{}: links [o365flow]", here.title);
    let state = json!({ "title": title, "type": "markdown", "params": params, "aggs": [] });
    let source = json!({ "query": { "language": "lucene", "query": "" }, "filter": [] });
    let attributes = json!({
        "title": title,
        "description": "",
        "uiStateJSON": "{}",
        "version": 1,
        "visState": state.to_string(),
        "kibanaSavedObjectMeta": { "searchSourceJSON": source.to_string() },
    });
    object("visualization", &format!("{}-links", dashboard_id(&here.id)), &attributes, &[])
}

/// A dashboard, after the panels that it shows.
fn dashboard(all: &[Dashboard], here: &Dashboard, objects: &mut Vec<Value>) {
    let id = dashboard_id(&here.id);
    let mut grid = Grid::default();
    let (mut panels, mut references) = (Vec::new(), Vec::new());
    let mut show = |object: (&str, String), title: Option<&str>, place: Value| {
        let number = panels.len().to_string();
        let mut place = place;
        place["i"] = json!(number);
        panels.push(json!({
            "type": object.0, "version": "8.8.0", "panelIndex": number, "gridData": place,
            "panelRefName": format!("panel_{number}"),
            "embeddableConfig": match title {
                Some(title) => json!({ "title": title, "hidePanelTitles": false, "enhancements": {} }),
                None => json!({ "hidePanelTitles": true, "enhancements": {} }),
            },
        }));
        let name = format!("{number}:panel_{number}");
        references.push(json!({ "type": object.0, "id": object.1, "name": name }));
    };
    objects.push(links(all, here));
    show(("visualization", format!("{id}-links")), None, grid.place(COLUMNS, LINKS_HEIGHT));
    for (number, panel) in here.panels.iter().enumerate() {
        let place = grid.place(panel.width, panel.height);
        let object = if let Kind::Search { search } = &panel.kind {
            ("search", search_id(search))
        } else {
            let id = format!("{id}-{}", number + 1);
            objects.push(visualization(&id, &here.title, panel));
            ("visualization", id)
        };
        show(object, Some(&panel.title), place);
    }
    let source = json!({ "query": { "language": "lucene", "query": "" }, "filter": [] });
    let options = json!({
        "useMargins": true, "syncColors": true, "syncCursor": true, "syncTooltips": false,
        "hidePanelTitles": false,
    });
    let attributes = json!({
        "title": format!("{} [o365flow]", here.title),
        "description": here.description,
        "version": 1,
        "timeRestore": true,
        "timeFrom": "now-7d",
        "timeTo": "now",
        "optionsJSON": options.to_string(),
        "panelsJSON": json!(panels).to_string(),
        "kibanaSavedObjectMeta": { "searchSourceJSON": source.to_string() },
    });
    objects.push(object("dashboard", &id, &attributes, &references));
}

/// Where the next panel goes: beside the last, or below what there is.
#[derive(Default)]
struct Grid {
    x: u32,
    y: u32,
    row_height: u32,
}

impl Grid {
    fn place(&mut self, width: u32, height: u32) -> Value {
        if self.x + width > COLUMNS {
            self.y += self.row_height;
            (self.x, self.row_height) = (0, 0);
        }
        let place = json!({ "x": self.x, "y": self.y, "w": width, "h": height });
        self.x += width;
        self.row_height = self.row_height.max(height);
        place
    }
}

fn objects() -> Vec<Value> {
    let description = Description::read();
    let mut objects = vec![data_view()];
    objects.extend(description.searches.iter().map(search));
    for here in &description.dashboards {
        dashboard(&description.dashboards, here, &mut objects);
    }
    objects
}

#[test]
fn kibanas_objects_are_made_of_the_description_of_the_dashboards() {
    let lines = objects().into_iter().map(|object| format!("{object}\n"));
    hold(&BTreeMap::from([("config/kibana/o365flow.ndjson".to_owned(), lines.collect())]));
}

#[test]
fn every_reference_leads_to_an_object_of_the_file() {
    let objects = objects();
    let name = |object: &Value| (object["type"].to_string(), object["id"].to_string());
    let names: BTreeSet<(String, String)> = objects.iter().map(name).collect();
    assert_eq!(names.len(), objects.len(), "two objects have the same id");
    for object in &objects {
        for reference in object["references"].as_array().expect("an array") {
            assert!(names.contains(&name(reference)), "{reference} of {}", object["id"]);
        }
        // What Kibana keeps as text has to be JSON itself.
        let attributes = &object["attributes"];
        for key in ["visState", "panelsJSON", "optionsJSON", "uiStateJSON"] {
            if let Some(text) = attributes[key].as_str() {
                serde_json::from_str::<Value>(text).expect("it is JSON");
            }
        }
        let text = attributes["visState"].as_str().unwrap_or_default();
        for link in text.split("#/view/").skip(1) {
            let id = link.split(')').next().expect("it ends").to_owned();
            assert!(names.contains(&("\"dashboard\"".to_owned(), format!("\"{id}\""))), "{id}");
        }
    }
}

#[test]
fn rows_of_panels_fill_the_width() {
    for dashboard in Description::read().dashboards {
        let mut left = COLUMNS;
        for panel in &dashboard.panels {
            assert!(panel.width <= left, "{}: {} does not fit", dashboard.id, panel.title);
            left -= panel.width;
            left = if left == 0 { COLUMNS } else { left };
        }
        assert_eq!(left, COLUMNS, "{}: the last row has a gap", dashboard.id);
    }
}
