//! A MaxMind database: what is known of the network that an address is in.
//!
//! The whole file is held in memory. Mapping it would save that, but a file that is replaced in place would then end
//! the program, and would need unsafe code.
//!
//! Invariant: no address and no damage in the file makes a look-up fail; what cannot be read is not known.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use maxminddb::{MaxMindDbError, Reader, WithinOptions, geoip2::Names};
use serde::{Deserialize, Deserializer, de};
use vrl::value::{KeyString, ObjectMap, Value};

use crate::config::Locale;

/// Networks that are tried when a database is opened, to find out whether it is one of places.
const NETWORKS_TRIED: usize = 100;

/// What records of a database are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeoForm {
    /// MaxMind's places, networks and providers, under the names of ECS and Vector.
    Places(Locale),
    /// Whatever they are, as they are.
    Any,
}

/// A file is no database that can be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoDatabaseError {
    /// It is none at all.
    #[error("it is no MaxMind database: {0}")]
    NoDatabase(#[source] MaxMindDbError),
    /// Its records are of another form than MaxMind's.
    #[error("its records are not of MaxMind's form: {0}")]
    OtherForm(#[source] MaxMindDbError),
}

/// An open database.
pub struct GeoDatabase {
    reader: Reader<Vec<u8>>,
    form: GeoForm,
}

impl fmt::Debug for GeoDatabase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = &self.reader.metadata().database_type;
        formatter.debug_struct("GeoDatabase").field("kind", kind).finish_non_exhaustive()
    }
}

/// A record of any of MaxMind's databases: each has some of this.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record<'a> {
    #[serde(borrow)]
    city: Place<'a>,
    continent: Place<'a>,
    country: Place<'a>,
    location: Location<'a>,
    postal: Place<'a>,
    subdivisions: Vec<Place<'a>>,
    autonomous_system_number: Option<i64>,
    autonomous_system_organization: Option<&'a str>,
    isp: Option<&'a str>,
    organization: Option<&'a str>,
    traits: Traits<'a>,
}

/// A city, a country, a continent: each has some of this.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Place<'a> {
    code: Option<&'a str>,
    iso_code: Option<&'a str>,
    #[serde(borrow)]
    names: Names<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Location<'a> {
    latitude: Option<Degrees>,
    longitude: Option<Degrees>,
    #[serde(borrow)]
    time_zone: Option<&'a str>,
    metro_code: Option<i64>,
}

/// A number with a fraction, of whatever size the database keeps it in: the reader takes no other size than asked for.
#[derive(Clone, Copy, Debug)]
struct Degrees(f64);

impl<'de> Deserialize<'de> for Degrees {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Degrees, D::Error> {
        deserializer.deserialize_any(DegreesVisitor)
    }
}

struct DegreesVisitor;

impl de::Visitor<'_> for DegreesVisitor {
    type Value = Degrees;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number with a fraction")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Degrees, E> {
        Ok(Degrees(value))
    }

    fn visit_f32<E>(self, value: f32) -> Result<Degrees, E> {
        Ok(Degrees(f64::from(value)))
    }
}

/// Where the Enterprise database has what others have at the root.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Traits<'a> {
    autonomous_system_number: Option<i64>,
    #[serde(borrow)]
    autonomous_system_organization: Option<&'a str>,
}

impl GeoDatabase {
    /// Opens the database whose file holds `bytes`.
    ///
    /// # Errors
    /// It is none, or none of `form`.
    pub fn open(bytes: Vec<u8>, form: GeoForm) -> Result<GeoDatabase, GeoDatabaseError> {
        let reader = Reader::from_source(bytes).map_err(GeoDatabaseError::NoDatabase)?;
        let networks =
            reader.networks(WithinOptions::default()).map_err(GeoDatabaseError::NoDatabase)?;
        for network in networks.take(NETWORKS_TRIED) {
            let network = network.map_err(GeoDatabaseError::NoDatabase)?;
            let read = match form {
                GeoForm::Places(_) => network.decode::<Record<'_>>().map(|_| ()),
                GeoForm::Any => network.decode::<Value>().map(|_| ()),
            };
            read.map_err(GeoDatabaseError::OtherForm)?;
        }
        Ok(GeoDatabase { reader, form })
    }

    /// Whether [`GeoDatabase::locate`] can know something.
    pub(super) fn has_places(&self) -> bool {
        matches!(self.form, GeoForm::Places(_))
    }

    /// What the database says of an address: under the names that Vector's table `geoip` has for it, or as it stands in
    /// the file.
    pub(in crate::program) fn record(&self, address: IpAddr) -> Option<Value> {
        let found = self.reader.lookup(address.to_canonical()).ok()?;
        match self.form {
            GeoForm::Any => found.decode::<Value>().ok()?,
            GeoForm::Places(names) => {
                let record = found.decode::<Record<'_>>().ok()??;
                let network = found.network().ok().map(|network| network.to_string());
                let mut object = Object::default();
                object.put("network", network.as_deref());
                record.name_as_vector_does(names, &mut object);
                Some(Value::Object(object.0))
            }
        }
    }

    /// Adds what the database knows of an address to `geo` and `autonomous_system`, which are ECS's `geo.*` and `as.*`.
    /// What stands there already stays.
    pub(in crate::program) fn locate(
        &self,
        address: IpAddr,
        geo: &mut ObjectMap,
        autonomous_system: &mut ObjectMap,
    ) {
        let GeoForm::Places(names) = self.form else { return };
        let Ok(found) = self.reader.lookup(address.to_canonical()) else { return };
        let Ok(Some(record)) = found.decode::<Record<'_>>() else { return };
        let mut object = Object(std::mem::take(geo));
        record.name_as_ecs_does(names, &mut object);
        *geo = object.0;
        let mut object = Object(std::mem::take(autonomous_system));
        record.number_as_ecs_does(&mut object);
        *autonomous_system = object.0;
    }
}

impl<'a> Record<'a> {
    fn name_as_ecs_does(&self, names: Locale, geo: &mut Object) {
        geo.put("continent_code", self.continent.code);
        geo.put("continent_name", self.continent.name(names));
        geo.put("country_iso_code", self.country.iso_code);
        geo.put("country_name", self.country.name(names));
        if let Some(region) = self.region() {
            if let (Some(country), Some(region)) = (self.country.iso_code, region.iso_code) {
                geo.put("region_iso_code", Some(format!("{country}-{region}").as_str()));
            }
            geo.put("region_name", region.name(names));
        }
        geo.put("city_name", self.city.name(names));
        geo.put("postal_code", self.postal.code);
        geo.put("timezone", self.location.time_zone);
        if let (Some(Degrees(lat)), Some(Degrees(lon))) =
            (self.location.latitude, self.location.longitude)
        {
            let point = ObjectMap::from([
                ("lat".into(), Value::from_f64_or_zero(lat)),
                ("lon".into(), Value::from_f64_or_zero(lon)),
            ]);
            geo.set("location", Value::Object(point));
        }
    }

    fn number_as_ecs_does(&self, autonomous_system: &mut Object) {
        if let Some(number) = self.system_number() {
            autonomous_system.set("number", Value::from(number));
        }
        if let Some(name) = self.system_organization() {
            let organization = ObjectMap::from([("name".into(), Value::from(name))]);
            autonomous_system.set("organization", Value::Object(organization));
        }
    }

    fn name_as_vector_does(&self, names: Locale, object: &mut Object) {
        object.put("city_name", self.city.name(names));
        object.put("continent_code", self.continent.code);
        object.put("country_code", self.country.iso_code);
        object.put("country_name", self.country.name(names));
        object.put("timezone", self.location.time_zone);
        for (name, degrees) in
            [("latitude", self.location.latitude), ("longitude", self.location.longitude)]
        {
            if let Some(Degrees(degrees)) = degrees {
                object.set(name, Value::from_f64_or_zero(degrees));
            }
        }
        if let Some(code) = self.location.metro_code {
            object.set("metro_code", Value::from(code));
        }
        object.put("region_name", self.region().and_then(|region| region.name(names)));
        object.put("region_code", self.region().and_then(|region| region.iso_code));
        object.put("postal_code", self.postal.code);
        if let Some(number) = self.system_number() {
            object.set("autonomous_system_number", Value::from(number));
        }
        object.put("autonomous_system_organization", self.system_organization());
        object.put("isp", self.isp);
        object.put("organization", self.organization);
    }

    /// The smallest part of the country that is known, as Elasticsearch's processor `geoip` has it.
    fn region(&self) -> Option<&Place<'a>> {
        self.subdivisions.last()
    }

    fn system_number(&self) -> Option<i64> {
        self.autonomous_system_number.or(self.traits.autonomous_system_number)
    }

    fn system_organization(&self) -> Option<&'a str> {
        self.autonomous_system_organization.or(self.traits.autonomous_system_organization)
    }
}

impl<'a> Place<'a> {
    fn name(&self, language: Locale) -> Option<&'a str> {
        let names = &self.names;
        match language {
            Locale::English => names.english,
            Locale::German => names.german,
            Locale::Spanish => names.spanish,
            Locale::French => names.french,
            Locale::Japanese => names.japanese,
            Locale::Portuguese => names.brazilian_portuguese,
            Locale::Russian => names.russian,
            Locale::Chinese => names.simplified_chinese,
        }
    }
}

/// An object to which only what is known is added, and only once.
#[derive(Default)]
struct Object(ObjectMap);

impl Object {
    fn put(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.set(name, Value::from(text));
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        self.0.entry(KeyString::from(name)).or_insert(value);
    }
}

/// Reads an address as it stands in events: perhaps IPv4 mapped into IPv6.
pub(in crate::program) fn address(value: &Value) -> Option<IpAddr> {
    let text = value.to_str()?;
    let address: IpAddr = text.parse().ok()?;
    match address {
        // Nothing is known of it, and databases answer for the network that it stands for.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => None,
        address => Some(address),
    }
}
