//! `locate`: where an address is and whose network it is in, in the words of ECS.

use std::sync::Arc;

use vrl::prelude::*;

use super::call::Argument;
use crate::program::{
    Surroundings,
    tables::{self, GeoDatabase},
};

/// `locate(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Locate;

impl Function for Locate {
    fn identifier(&self) -> &'static str {
        "locate"
    }

    fn summary(&self) -> &'static str {
        "where an address is, and whose"
    }

    fn usage(&self) -> &'static str {
        "Looks an address up in every table of type `geoip`, and gives `geo` and `as` with the fields that ECS has for \
         them: `city_name`, `continent_code`, `continent_name`, `country_iso_code`, `country_name`, `location`, \
         `postal_code`, `region_iso_code`, `region_name`, `timezone`; `number`, `organization.name`. Where several \
         tables know the same, the first by name counts. Without such a table, and for an address that none of them \
         knows, as a private one, it gives an empty object."
    }

    fn category(&self) -> &'static str {
        "Enrichment"
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[Parameter::required(
            "value",
            kind::ANY,
            "The address as text. Anything else is known nowhere.",
        )];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[
            example! {
                title: "An address",
                source: r#"locate("192.0.2.1")"#,
                result: Ok(r#"{ "as": { "number": 64496, "organization": { "name": "Contoso" } }, "geo": { "country_iso_code": "NO", "country_name": "Norway" } }"#),
            },
            example! {
                title: "An address that is nowhere",
                source: r#"locate("10.0.0.1")"#,
                result: Ok("{}"),
            },
        ]
    }

    fn compile(
        &self,
        _state: &TypeState,
        context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let surroundings = context.get_external_context::<Surroundings>();
        let databases = surroundings.map(|surroundings| surroundings.tables.of_places());
        let databases = databases.unwrap_or_default();
        Ok(Call { argument: Argument::new(&arguments, "value"), databases }.as_expr())
    }
}

#[derive(Clone, Debug)]
struct Call {
    argument: Argument,
    databases: Vec<Arc<GeoDatabase>>,
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        self.argument.look(context, |value| locate(value, &self.databases))
    }

    fn type_def(&self, _state: &TypeState) -> TypeDef {
        TypeDef::object(located_kind()).infallible()
    }
}

fn locate(value: &Value, databases: &[Arc<GeoDatabase>]) -> Value {
    let mut located = ObjectMap::new();
    if databases.is_empty() {
        return Value::Object(located);
    }
    if let Some(address) = tables::address(value) {
        let (mut geo, mut autonomous_system) = (ObjectMap::new(), ObjectMap::new());
        for database in databases {
            database.locate(address, &mut geo, &mut autonomous_system);
        }
        for (name, fields) in [("geo", geo), ("as", autonomous_system)] {
            if !fields.is_empty() {
                located.insert(name.into(), Value::Object(fields));
            }
        }
    }
    Value::Object(located)
}

/// The fields that can be there.
fn located_kind() -> Collection<Field> {
    let text = || Kind::bytes().or_undefined();
    let names = [
        "city_name",
        "continent_code",
        "continent_name",
        "country_iso_code",
        "country_name",
        "postal_code",
        "region_iso_code",
        "region_name",
        "timezone",
    ];
    let point =
        Collection::empty().with_known("lat", Kind::float()).with_known("lon", Kind::float());
    let geo = names.into_iter().fold(Collection::empty(), |geo, name| geo.with_known(name, text()));
    let geo = geo.with_known("location", Kind::object(point).or_undefined());
    let organization = Collection::empty().with_known("name", Kind::bytes());
    let autonomous_system = Collection::empty()
        .with_known("number", Kind::integer().or_undefined())
        .with_known("organization", Kind::object(organization).or_undefined());
    Collection::empty()
        .with_known("geo", Kind::object(geo).or_undefined())
        .with_known("as", Kind::object(autonomous_system).or_undefined())
}
