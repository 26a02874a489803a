//! Tables as a configuration declares them, and what is found in them.

use std::{collections::BTreeMap, io, path::Path};

use expect_test::{Expect, expect};
use serde_json::json;
use vrl::value::Value;

use super::{mmdb_writer::database, *};
use crate::config::EnrichmentTable;

const STAFF: &str = "\u{feff}login, name ,team,badge,since
kim@contoso.example,Kim,Finance,7,2021-03-01
lee@contoso.example,Lee,Finance,,2023-05-01
alex@contoso.example,Alex,\"Legal, Oslo\",9,2019-01-15
";

/// What the functions' examples look things up in.
pub(in crate::program) fn sample() -> Tables {
    let (tables, problems) = loaded(
        r#"
        [staff]
        type = "file"
        path = "staff.csv"
        schema = { badge = "integer", since = "date" }
        [places]
        type = "geoip"
        path = "places.mmdb"
        [networks]
        type = "geoip"
        path = "networks.mmdb"
        "#,
    );
    assert_eq!(problems, "");
    tables
}

fn file(path: &Path) -> io::Result<Vec<u8>> {
    let norway = |subdivisions| {
        json!({
            "city": { "names": { "en": "Oslo", "de": "Oslo" } },
            "continent": { "code": "EU", "names": { "en": "Europe", "de": "Europa" } },
            "country": { "iso_code": "NO", "names": { "en": "Norway", "de": "Norwegen" } },
            "location": { "latitude": 59.9, "longitude": 10.7, "time_zone": "Europe/Oslo", "accuracy_radius": 20 },
            "postal": { "code": "0150" },
            "subdivisions": subdivisions,
        })
    };
    let bytes = match path.to_str() {
        Some("staff.csv") => STAFF.into(),
        Some("places.mmdb") => database(
            "Contoso-City",
            &[
                (
                    "192.0.2.0/24",
                    json!({ "country": { "iso_code": "NO", "names": { "en": "Norway" } } }),
                ),
                (
                    "198.51.100.0/25",
                    norway(json!([{ "iso_code": "03", "names": { "en": "Oslo County" } }])),
                ),
                ("2001:db8::/32", norway(json!([]))),
            ],
        ),
        Some("networks.mmdb") => database(
            "Contoso-ASN",
            &[(
                "192.0.2.0/24",
                json!({ "autonomous_system_number": 64496, "autonomous_system_organization": "Contoso" }),
            )],
        ),
        Some("other.mmdb") => {
            database("Other", &[("192.0.2.0/24", json!({ "country": "NO", "risk": 0.5 }))])
        }
        Some("operations.csv") => b"operation,record_type,workload,kind,category,type,outcome,risk
UserLoggedIn,,,,authentication|session,start,,low
New-*,,,,configuration,creation,,
New-Mail*,,Exchange,,email|configuration,creation,success,
New-Mail*,,,,email,creation,,
,,Contoso,,web,access,,
"
        .to_vec(),
        Some("record_types.csv") => b"number,name\n15,Ours\n70001,OursAlone\n".to_vec(),
        Some("ragged.csv") => b"a,b\n1,2\n1\n1,2,3\n".to_vec(),
        Some("odd.csv") => b"a,a\nx,y\n".to_vec(),
        Some("latin.csv") => b"a\n\xe5\n".to_vec(),
        Some("empty.csv") => Vec::new(),
        Some("wrong-operations.csv") => {
            b"operation,category,outcome\nA,autentication,\nB,,sucess\n".to_vec()
        }
        Some("no-operations.csv") => b"category\nweb\n".to_vec(),
        Some("wrong-record-types.csv") => b"number,name\n1.5,X\n".to_vec(),
        _ => return Err(io::ErrorKind::NotFound.into()),
    };
    Ok(bytes)
}

fn loaded(toml: &str) -> (Tables, String) {
    let declared: BTreeMap<String, EnrichmentTable> =
        toml::from_str(toml).unwrap_or_else(|error| panic!("{toml}: {error}"));
    let (tables, problems) = load(&declared, &file);
    let shown = problems.iter().map(|it| {
        let fix = it.fix.as_deref().map_or(String::new(), |fix| format!(" ({fix})"));
        format!("{}: {}{fix}", it.key.join("."), it.message)
    });
    (tables, shown.collect::<Vec<_>>().join("\n"))
}

#[expect(clippy::needless_pass_by_value, reason = "so that a test reads well")]
fn check_refused(toml: &str, expected: Expect) {
    let (_, problems) = loaded(toml);
    expected.assert_eq(&problems);
}

#[test]
fn every_mistake_of_a_file_is_told_at_its_line() {
    check_refused(
        "[t]\ntype = \"file\"\npath = \"ragged.csv\"",
        expect![[r#"
            enrichment_tables.t.path: `ragged.csv`: line 3 has 1 cells, and there are 2 columns (put a cell that has a comma in it in double quotes)
            enrichment_tables.t.path: `ragged.csv`: line 4 has 3 cells, and there are 2 columns (put a cell that has a comma in it in double quotes)"#]],
    );
    check_refused(
        "[t]\ntype = \"file\"\npath = \"odd.csv\"\nschema = { a = \"number\", b = \"integer\" }",
        expect![[r#"
            enrichment_tables.t.schema.b: `odd.csv`: there is no column `b`
            enrichment_tables.t.schema.a: there is no type `number` (the types are: string, integer, float, boolean, date, timestamp; the last two can have a format, as `date|%d.%m.%Y`)
            enrichment_tables.t.path: `odd.csv`: there are two columns `a` (give one of them another name)
            enrichment_tables.t.schema.a: there is no type `number` (the types are: string, integer, float, boolean, date, timestamp; the last two can have a format, as `date|%d.%m.%Y`)"#]],
    );
    check_refused(
        "[t]\ntype = \"file\"\npath = \"staff.csv\"\nschema = { team = \"integer\", bage = \"integer\", since = \"timestamp|%d.%m.%Y\" }",
        expect![[r#"
            enrichment_tables.t.schema.bage: `staff.csv`: there is no column `bage` (did you mean `badge`?)
            enrichment_tables.t.path: `staff.csv`: line 2: the cell in the column `team` is no integer (mend the cell, or take its column out of `schema`)
            enrichment_tables.t.path: `staff.csv`: line 3: the cell in the column `team` is no integer (mend the cell, or take its column out of `schema`)
            enrichment_tables.t.path: `staff.csv`: line 4: the cell in the column `team` is no integer (mend the cell, or take its column out of `schema`)"#]],
    );
    check_refused(
        "[t]\ntype = \"file\"\npath = \"latin.csv\"",
        expect![
            "enrichment_tables.t.path: `latin.csv`: line 2: the text is not UTF-8 (save it as CSV in UTF-8)"
        ],
    );
    check_refused(
        "[t]\ntype = \"file\"\npath = \"empty.csv\"",
        expect![
            "enrichment_tables.t.path: `empty.csv`: the file is empty (put the names of its columns in its first line)"
        ],
    );
    check_refused(
        "[t]\ntype = \"file\"\npath = \"nowhere.csv\"",
        expect!["enrichment_tables.t.path: cannot read `nowhere.csv`: entity not found"],
    );
    check_refused(
        "[t]\ntype = \"file\"\npath = \"staff.csv\"\ndelimiter = \"→\"",
        expect![
            "enrichment_tables.t.delimiter: a delimiter of more than one byte (use one ASCII character, as `;`)"
        ],
    );
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    check_refused(
        "[t]\ntype = \"geoip\"\npath = \"staff.csv\"",
        expect![
            "enrichment_tables.t.path: cannot use `staff.csv`: it is no MaxMind database: invalid database: could not find MaxMind DB metadata in file"
        ],
    );
    check_refused(
        "[t]\ntype = \"mmdb\"\npath = \"staff.csv\"",
        expect![
            "enrichment_tables.t.path: cannot use `staff.csv`: it is no MaxMind database: invalid database: could not find MaxMind DB metadata in file"
        ],
    );
    check_refused(
        "[t]\ntype = \"geoip\"\npath = \"other.mmdb\"",
        expect![[
            r#"enrichment_tables.t.path: cannot use `other.mmdb`: its records are not of MaxMind's form: decoding error at offset 10: expected map, got type 2 (give it `type = "mmdb"`, and read it by `get_enrichment_table_record`)"#
        ]],
    );
}

#[test]
fn operations_that_ecs_does_not_allow_are_refused() {
    check_refused(
        "[operations]\ntype = \"file\"\npath = \"wrong-operations.csv\"",
        expect![[r#"
            enrichment_tables.operations.path: line 2: `autentication` is no value of `event.category` (did you mean `authentication`?)
            enrichment_tables.operations.path: line 3: `sucess` is no value of `event.outcome` (did you mean `success`?)"#]],
    );
    check_refused(
        "[operations]\ntype = \"file\"\npath = \"no-operations.csv\"",
        expect![
            "enrichment_tables.operations.path: there is no column `operation` (add it, or give the table another name if it is for other things)"
        ],
    );
    check_refused(
        "[record_types]\ntype = \"file\"\npath = \"wrong-record-types.csv\"",
        expect![
            "enrichment_tables.record_types.path: line 2: `1.5` is no whole number (write the number that records have)"
        ],
    );
}

#[test]
fn columns_have_names_types_and_values() {
    let tables = sample();
    let Some(Table::Rows(staff)) = tables.find("staff") else { panic!("a table of rows") };
    let all: Vec<usize> = (0..staff.width()).collect();
    let shown = |row| json!(staff.object(row, &all)).to_string();
    expect![[r#"
        {"badge":7,"login":"kim@contoso.example","name":"Kim","since":"2021-03-01T00:00:00Z","team":"Finance"}
        {"badge":null,"login":"lee@contoso.example","name":"Lee","since":"2023-05-01T00:00:00Z","team":"Finance"}
        {"badge":9,"login":"alex@contoso.example","name":"Alex","since":"2019-01-15T00:00:00Z","team":"Legal, Oslo"}"#]].assert_eq(&[shown(0), shown(1), shown(2)].join("\n"));
    for row in 0..staff.rows().len() {
        let promised = vrl::value::Kind::object(staff.kind(&all));
        let kind = vrl::value::Kind::from(&staff.object(row, &all));
        assert!(promised.is_superset(&kind).is_ok(), "{row}");
    }
}

#[test]
fn rows_are_found_by_text_and_null_finds_none() {
    let tables = sample();
    let Some(Table::Rows(staff)) = tables.find("staff") else { panic!("a table of rows") };
    let find = |columns: &[&str], case, values: &[Value]| {
        let columns: Vec<usize> = columns.iter().map(|it| staff.column(it).expect(it)).collect();
        Index::new(staff, &columns, case).find(values).to_vec()
    };
    let text = |text: &str| Value::from(text);
    assert_eq!(find(&["team"], Case::Sensitive, &[text("Finance")]), [0, 1]);
    assert_eq!(find(&["team"], Case::Sensitive, &[text("finance")]), [0_usize; 0]);
    assert_eq!(find(&["team"], Case::Insensitive, &[text("fINANCE")]), [0, 1]);
    assert_eq!(find(&["team", "name"], Case::Sensitive, &[text("Finance"), text("Lee")]), [1]);
    assert_eq!(find(&["badge"], Case::Sensitive, &[text("7")]), [0]);
    assert_eq!(find(&["badge"], Case::Sensitive, &[Value::Integer(9)]), [2]);
    assert_eq!(find(&["badge"], Case::Sensitive, &[Value::Null]), [0_usize; 0]);
    assert_eq!(find(&[], Case::Sensitive, &[]), [0, 1, 2]);
}

#[test]
fn of_several_rows_the_most_specific_holds() {
    let (tables, problems) = loaded(
        "[operations]\ntype = \"file\"\npath = \"operations.csv\"\n[record_types]\ntype = \"file\"\npath = \"record_types.csv\"",
    );
    assert_eq!(problems, "");
    let operations = tables.operations().expect("a table of operations");
    let find = |operation, workload| {
        let found = operations.find(operation, "X", workload);
        found.map_or("nothing".to_owned(), |answer| json!(answer).to_string())
    };
    let shown = [
        find("UserLoggedIn", ""),
        find("New-Thing", "Exchange"),
        find("New-Mailbox", "Exchange"),
        find("New-Mailbox", "SharePoint"),
        find("Other", "Contoso"),
        find("Other", "Exchange"),
        find("", ""),
    ];
    expect![[r#"
        {"category":["authentication","session"],"kind":"event","outcome":"unknown","type":["start"]}
        {"category":["configuration"],"kind":"event","outcome":"unknown","type":["creation"]}
        {"category":["email","configuration"],"kind":"event","outcome":"success","type":["creation"]}
        {"category":["email"],"kind":"event","outcome":"unknown","type":["creation"]}
        {"category":["web"],"kind":"event","outcome":"unknown","type":["access"]}
        nothing
        nothing"#]].assert_eq(&shown.join("\n"));
    let record_types = tables.record_types().expect("a table of record types");
    assert_eq!(record_types.name(15), Some(&Value::from("Ours")));
    assert_eq!(record_types.name(16), None);
}

#[test]
fn the_built_in_tables_are_right() {
    assert!(builtin_operations().find("UserLoggedIn", "", "").is_some());
    assert_eq!(builtin_record_types().name(15), Some(&Value::from("AzureActiveDirectoryStsLogon")));
}

#[test]
fn places_are_found_in_any_database_and_language() {
    let place = |locale: &str, address: &str| {
        let (tables, problems) = loaded(&format!(
            "[a]\ntype = \"geoip\"\npath = \"places.mmdb\"\nlocale = \"{locale}\"\n\
             [b]\ntype = \"geoip\"\npath = \"networks.mmdb\"\n[c]\ntype = \"mmdb\"\npath = \"other.mmdb\""
        ));
        assert_eq!(problems, "");
        let (mut geo, mut own) = Default::default();
        for database in tables.of_places() {
            let address = super::address(&Value::from(address)).expect("an address");
            database.locate(address, &mut geo, &mut own);
        }
        json!([geo, own]).to_string()
    };
    let shown = [
        place("en", "192.0.2.7"),
        place("de", "198.51.100.1"),
        place("en", "198.51.100.127"),
        place("en", "198.51.100.128"),
        place("en", "2001:db8::1"),
        place("en", "::ffff:192.0.2.7"),
        place("ja", "2001:db8::1"),
    ];
    expect![[r#"
        [{"country_iso_code":"NO","country_name":"Norway"},{"number":64496,"organization":{"name":"Contoso"}}]
        [{"city_name":"Oslo","continent_code":"EU","continent_name":"Europa","country_iso_code":"NO","country_name":"Norwegen","location":{"lat":59.9,"lon":10.7},"postal_code":"0150","region_iso_code":"NO-03","timezone":"Europe/Oslo"},{}]
        [{"city_name":"Oslo","continent_code":"EU","continent_name":"Europe","country_iso_code":"NO","country_name":"Norway","location":{"lat":59.9,"lon":10.7},"postal_code":"0150","region_iso_code":"NO-03","region_name":"Oslo County","timezone":"Europe/Oslo"},{}]
        [{},{}]
        [{"city_name":"Oslo","continent_code":"EU","continent_name":"Europe","country_iso_code":"NO","country_name":"Norway","location":{"lat":59.9,"lon":10.7},"postal_code":"0150","timezone":"Europe/Oslo"},{}]
        [{"country_iso_code":"NO","country_name":"Norway"},{"number":64496,"organization":{"name":"Contoso"}}]
        [{"continent_code":"EU","country_iso_code":"NO","location":{"lat":59.9,"lon":10.7},"postal_code":"0150","timezone":"Europe/Oslo"},{}]"#]].assert_eq(&shown.join("\n"));
}

#[test]
fn a_damaged_database_gives_nothing_and_does_not_panic() {
    let whole = file(Path::new("places.mmdb")).expect("a database");
    let mut random = fastrand::Rng::with_seed(6);
    let mut opened = 0;
    for _ in 0..2000 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(1..8) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        let form = GeoForm::Places(crate::config::Locale::English);
        let Ok(database) = GeoDatabase::open(bytes, form) else { continue };
        opened += 1;
        for address in ["192.0.2.7", "198.51.100.1", "2001:db8::1", "255.255.255.255", "::1"] {
            let address = address.parse().expect("an address");
            let (mut geo, mut own) = Default::default();
            database.locate(address, &mut geo, &mut own);
            database.record(address);
        }
    }
    assert!(opened > 100, "{opened} were opened");
}
