//! What becomes of a field by its type and shape.

use super::*;

#[test]
fn a_plain_record_stays_as_it_is() {
    let record = json!({
        "Id": "11111111-2222-4333-8444-555555555555",
        "CreationTime": "2024-02-07T20:49:49",
        "RecordType": 15,
        "UserType": 0,
        "Workload": "AzureActiveDirectory",
        "ExternalAccess": false,
        "AppId": "",
        "Actor": [{ "ID": "alice@contoso.example", "Type": 5 }],
        "SomethingNew": { "Count": 1, "On": true, "Share": 0.5, "Names": ["a", 1] },
    });
    check(record.clone(), record);
}

#[test]
fn keywords_are_text() {
    check_field("Operation", json!("Add user."), json!("Add user."));
    check_field("ListBaseType", json!(8), json!("8"));
    check_field("ErrorNumber", json!(1.5), json!("1.5"));
    check_field("ResultStatus", json!(true), json!("true"));
    check_field("ResultStatus", json!(["True"]), json!("True"));
    check(json!({ "ResultStatus": null, "Operation": [], "UserId": {} }), json!({}));
    check_unparsed("Sender", json!({ "UPN": "a", "Rank": 1 }), json!({ "UPN": "a", "Rank": 1 }));
    check_unparsed("Sender", json!(["a", 2]), json!(["a", "2"]));
}

#[test]
fn numbers_are_whole() {
    check_field("OperationCount", json!(7), json!(7));
    check_field("OperationCount", json!("7"), json!(7));
    check_field("FileSize", json!("1e9"), json!(1_000_000_000));
    check_field("FileSize", json!(" 1000.0 "), json!(1000));
    check_field("FileSize", json!(2379.0), json!(2379));
    check_field("FileSize", json!(i64::MAX), json!(i64::MAX));
    check(json!({ "OperationCount": "" }), json!({}));
    check_unparsed("OperationCount", json!(1.5), json!("1.5"));
    check_unparsed("OperationCount", json!(u64::MAX), json!("18446744073709552000"));
    check_unparsed("OperationCount", json!("NaN"), json!("NaN"));
    check_unparsed("OperationCount", json!("1e19"), json!("1e19"));
    check_unparsed("OperationCount", json!(true), json!("true"));
    check_unparsed("OperationCount", json!({ "a": 1 }), json!({ "a": 1 }));
}

#[test]
fn codes_can_be_names() {
    check_field("RecordType", json!("25"), json!(25));
    check_field("RecordType", json!("ExchangeAdmin"), json!(1));
    check_field("UserType", json!("DcAdmin"), json!(3));
    check_field("LogonType", json!("Delegated"), json!(2));
    check_field("InternalLogonType", json!("0"), json!(0));
    check_field("Scope", json!("Onprem"), json!(1));
    check(
        json!({ "Members": [{ "Role": "Owner" }, { "Role": 2 }] }),
        json!({ "Members": [{ "Role": 1 }, { "Role": 2 }] }),
    );
    check_unparsed("RecordType", json!("NoSuchThing"), json!("NoSuchThing"));
}

#[test]
fn booleans_and_floats_are_what_they_are() {
    for yes in [json!(true), json!("True"), json!("TRUE"), json!("true"), json!("1"), json!(1)] {
        check_field("ExternalAccess", yes, json!(true));
    }
    for no in [json!(false), json!("False"), json!("0"), json!(0)] {
        check_field("ExternalAccess", no, json!(false));
    }
    check_unparsed("ExternalAccess", json!("Enabled"), json!("Enabled"));
    check_field("TotalCpuHours", json!(2), json!(2.0));
    check_field("TotalCpuHours", json!("0.25"), json!(0.25));
    check_unparsed("TotalCpuHours", json!("inf"), json!("inf"));
}

#[test]
fn times_are_text_that_an_index_reads() {
    for same in [
        "2024-02-07T20:49:49",
        "2024-02-07T20:49:49Z",
        "2024-02-07T20:49:49.1234567Z",
        "2024-02-07T20:49:49+05:30",
        "0001-01-01T00:00:00",
    ] {
        check_field("CreationTime", json!(same), json!(same));
    }
    for (written, read) in [
        ("2024-02-07 20:49:49", "2024-02-07T20:49:49Z"),
        (" 2024-02-07T20:49:49 ", "2024-02-07T20:49:49Z"),
        ("2024-02-07T20:49:49+0530", "2024-02-07T15:19:49Z"),
        ("2024-02-07T20:49:49.12345678901Z", "2024-02-07T20:49:49.123456789Z"),
        ("2024-02-07", "2024-02-07T00:00:00Z"),
        ("2/7/2024 8:49:49 PM", "2024-02-07T20:49:49Z"),
        ("02/07/2024 20:49:49", "2024-02-07T20:49:49Z"),
        ("/Date(1580000000000)/", "2020-01-26T00:53:20Z"),
    ] {
        check_field("CreationTime", json!(written), json!(read));
    }
    for wrong in ["2024-02-07T20:49:65", "yesterday", "0000-01-01 00:00:00+01:00"] {
        check_unparsed("CreationTime", json!(wrong), json!(wrong));
    }
    check_unparsed("CreationTime", json!(1_580_000_000), json!("1580000000"));
}

#[test]
fn arrays_are_arrays_always() {
    check_field("Recipients", json!(["a@contoso.example", 1]), json!(["a@contoso.example", "1"]));
    check_field("Recipients", json!("[a@contoso.example]"), json!(["[a@contoso.example]"]));
    check_field("Recipients", json!(r#"["a", "b"]"#), json!(["a", "b"]));
    check_field("TotalRows", json!(["1", 2]), json!([1, 2]));
    check(json!({ "AssociatedAdminUnits": null, "Recipients": [null] }), json!({}));
    check(
        json!({ "TotalRows": [1, "x"] }),
        json!({ "TotalRows": [1], "_unparsed": { "TotalRows": "x" } }),
    );
}

#[test]
fn objects_are_objects_always() {
    check_field(
        "Item",
        json!({ "SizeInBytes": "5", "New": 1 }),
        json!({ "SizeInBytes": 5, "New": 1 }),
    );
    check_field("Message", json!("hello"), json!({ "_raw": "hello" }));
    check_field("ExceptionInfo", json!("no reason"), json!({ "_raw": "no reason" }));
    check_field("ExceptionInfo", json!(r#"{ "Reason": "x" }"#), json!({ "Reason": "x" }));
    check_field(
        "ExceptionInfo",
        json!({ "FalsePositive": "True" }),
        json!({ "FalsePositive": true }),
    );
    check(json!({ "AppAccessContext": null }), json!({}));
    check(
        json!({ "Item": { "SizeInBytes": "big", "ParentFolder": { "Path": { "a": 1 } } } }),
        json!({ "_unparsed": { "Item": { "SizeInBytes": "big", "ParentFolder": { "Path": { "a": 1 } } } } }),
    );
}

#[test]
fn arrays_of_objects_hold_objects_alone() {
    let pair = json!([{ "Name": "OS", "Value": "Windows" }]);
    check_field("DeviceProperties", pair.clone(), pair.clone());
    check_field("DeviceProperties", pair[0].clone(), pair.clone());
    check_field("OperationProperties", json!(pair.to_string()), pair.clone());
    check_field(
        "DeviceProperties",
        json!([{ "Name": "Size", "Value": 1 }]),
        json!([{ "Name": "Size", "Value": "1" }]),
    );
    check_field("Members", json!(["alice", null, {}]), json!([{ "_raw": "alice" }]));
    check_field("Target", json!([{ "ID": 5, "Type": "2" }]), json!([{ "ID": "5", "Type": 2 }]));
    check(
        json!({ "Target": [{ "ID": "a", "Type": "x" }, { "ID": "b", "Type": "y" }] }),
        json!({ "Target": [{ "ID": "a" }, { "ID": "b" }], "_unparsed": { "Target": { "Type": ["x", "y"] } } }),
    );
}

#[test]
fn names_and_values_become_fields() {
    check_field(
        "Parameters",
        json!([{ "Name": "Is Hard.Deleted", "Value": "True" }, { "Name": "Size", "Value": 5 }]),
        json!({ "Is_Hard_Deleted": "True", "Size": "5" }),
    );
    check_field(
        "ExtendedProperties",
        json!([{ "Name": "to", "Value": "a" }, { "Name": "to", "Value": "b" }, { "Name": "to", "Value": "c" }]),
        json!({ "to": ["a", "b", "c"] }),
    );
    check_field(
        "ExtendedProperties",
        json!([{ "Name": "d", "Value": "{\"a\":1}" }]),
        json!({ "d": "{\"a\":1}" }),
    );
    check_field(
        "Parameters",
        json!([{ "Name": "Force" }, { "Name": "To", "Value": null }]),
        json!({ "Force": "", "To": "" }),
    );
    check_field(
        "Parameters",
        json!([{ "Name": "To", "Value": ["a", { "b": 1 }] }]),
        json!({ "To": ["a", { "b": 1 }] }),
    );
    check_field(
        "Parameters",
        json!([{ "Name": "A", "Value": 1, "Kind": 2 }]),
        json!({ "A": { "Value": "1", "Kind": "2" } }),
    );
    check_field(
        "ExtraProperties",
        json!([{ "Key": "ClientVersion", "Value": "1" }]),
        json!({ "ClientVersion": "1" }),
    );
    check_field("Parameters", json!("-Name \"a\""), json!({ "_raw": "-Name \"a\"" }));
    check_field("Parameters", json!(r#"[{"Name":"A","Value":"b"}]"#), json!({ "A": "b" }));
    check_field(
        "Parameters",
        json!(["a", { "Value": 1 }]),
        json!({ "_raw": ["a", "{\"Value\":1}"] }),
    );
    check_field("Parameters", json!({ "A": 1, "B.C": true }), json!({ "A": "1", "B_C": "true" }));
    check_field("Parameters", json!([{ "Name": " ", "Value": "x" }]), json!({ "_": "x" }));
    check(json!({ "Parameters": [] }), json!({}));
}

#[test]
fn changes_have_an_object_each() {
    check_field(
        "ModifiedProperties",
        json!([{ "Name": "Role.DisplayName", "NewValue": "a", "OldValue": "" }, { "Name": "New", "NewValue": "b" }]),
        json!({ "Role_DisplayName": { "NewValue": "a", "OldValue": "" }, "New": { "NewValue": "b" } }),
    );
    check_field(
        "ModifiedProperties",
        json!([{ "Name": "IsPublic", "NewValue": true, "OldValue": null }]),
        json!({ "IsPublic": { "NewValue": "true" } }),
    );
    check_field(
        "ModifiedProperties",
        json!([{ "Name": "A", "Value": "b" }]),
        json!({ "A": { "Value": "b" } }),
    );
    check_field(
        "ModifiedProperties",
        json!(["Subject", "Body"]),
        json!({ "_raw": ["Subject", "Body"] }),
    );
    check_field(
        "ModifiedProperties",
        json!([{ "Name": "Subject", "NewValue": null }]),
        json!({ "_raw": ["Subject"] }),
    );
    check_field("ModifiedProperties", json!("Subject"), json!({ "_raw": "Subject" }));
    check_field("ModifiedProperties", json!({ "A": "b" }), json!({ "A": { "Value": "b" } }));
    check_field(
        "ModifiedProperties",
        json!([{ "Name": "A", "NewValue": "b" }, { "Name": "A", "NewValue": "c" }]),
        json!({ "A": [{ "NewValue": "b" }, { "NewValue": "c" }] }),
    );
}

#[test]
fn json_in_text_is_read_where_it_is_described_so() {
    check_field(
        "Data",
        json!(r#"{"etype":"User","n":{"a":[1]}}"#),
        json!({ "etype": "User", "n": { "a": [1] } }),
    );
    check_field(
        "Data",
        json!(r#"{"QueryTime":"1","QueryTime":"2"}"#),
        json!({ "QueryTime": ["1", "2"] }),
    );
    check_field("Data", json!(r#"{"QueryTime":"1","QueryTime":"1"}"#), json!({ "QueryTime": "1" }));
    check_field("Data", json!("plain"), json!({ "_raw": "plain" }));
    check_field("Data", json!("{broken"), json!({ "_raw": "{broken" }));
    check_field("Data", json!("[1]"), json!({ "_raw": "[1]" }));
    check_field("EventData", json!(r#"{"a":1}"#), json!(r#"{"a":1}"#));
}

#[test]
fn what_is_no_record_is_kept() {
    assert_eq!(json!(normalize_record(Value::from("text"))), json!({ "_raw": "text" }));
    assert_eq!(json!(normalize_record(Value::Null)), json!({}));
}
