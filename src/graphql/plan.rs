//! Lists written in one go.
//!
//! The library makes a future on the heap, a text and a map entry for every field of every item. Nothing below a list
//! waits, fails or takes an argument: here its selection is worked out once, and every item is then written as JSON
//! straight into the answer. The values come from the resolvers that the library would call.

use std::borrow::Cow;

use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::{MetaTypeName, Registry};
use async_graphql::resolver_utils::{ContainerType, resolve_container};
use async_graphql::{Context, ContextSelectionSet, Name, OutputType, Positioned, ServerResult, Value};
use futures_util::FutureExt;
use serde::Serialize;

use super::body;
use super::turns::CpuTurns;

/// What most pages fit in, in bytes.
const JSON_CAPACITY: usize = 16 * 1024;

/// An object of whose fields no resolver waits, fails or takes an argument.
pub(super) trait AtHand: ContainerType {
    /// Writes the value of a field. The validator has seen to it that the type has the field.
    fn write(&self, field: &str, below: &Plan, to: &mut Writer<'_>);
}

/// A field of the root whose object is written in one go, if the answer may hold finished JSON.
pub(super) struct InOneGo<T>(pub(super) T);

/// In the data of a request whose answer may hold finished JSON, as [`Value::Binary`]. Nothing else here is binary.
pub(super) struct MayHoldJson;

impl<T: AtHand> OutputType for InOneGo<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let _turn = ctx.data_unchecked::<CpuTurns>().take().await;
        if ctx.data_opt::<MayHoldJson>().is_none() {
            return resolve_container(ctx, &self.0).await;
        }
        let plan = Planner { ctx }.plan(&T::type_name(), &[&ctx.item.node]);
        let mut writer = Writer { context: &ctx.with_field(field), json: Vec::with_capacity(JSON_CAPACITY) };
        writer.object(&self.0, &plan);
        Ok(Value::Binary(writer.json.into()))
    }
}

/// A selection set with its fragments laid out and its repeated keys merged, for one type.
pub(super) struct Plan(Vec<PlannedField>);

struct PlannedField {
    name: Name,
    /// The key, as it stands in JSON: names need no escapes.
    key: String,
    below: Plan,
}

struct Planner<'a> {
    ctx: &'a ContextSelectionSet<'a>,
}

/// A key with the field it stands for and everything that is selected below it.
struct Merged<'a> {
    key: &'a str,
    field: &'a Name,
    below: Vec<&'a SelectionSet>,
}

impl<'a> Planner<'a> {
    fn plan(&self, of_type: &str, sets: &[&'a SelectionSet]) -> Plan {
        let mut fields = Vec::new();
        for set in sets {
            self.collect(of_type, set, &mut fields);
        }
        let planned = fields.into_iter().map(|Merged { key, field, below }| PlannedField {
            name: field.clone(),
            key: format!("\"{key}\":"),
            below: if below.is_empty() { Plan(Vec::new()) } else { self.plan(self.type_of(of_type, field), &below) },
        });
        Plan(planned.collect())
    }

    fn collect(&self, of_type: &str, set: &'a SelectionSet, fields: &mut Vec<Merged<'a>>) {
        for selection in &set.items {
            let (condition, set) = match &selection.node {
                Selection::Field(field) => {
                    merge(&field.node, fields);
                    continue;
                }
                Selection::InlineFragment(inline) => (inline.node.type_condition.as_ref(), &inline.node.selection_set),
                Selection::FragmentSpread(spread) => {
                    let fragment = self.ctx.query_env.fragments.get(&spread.node.fragment_name.node);
                    let Some(fragment) = fragment else { continue };
                    (Some(&fragment.node.type_condition), &fragment.node.selection_set)
                }
            };
            if condition.is_none_or(|condition| self.is_a(of_type, condition.node.on.node.as_str())) {
                self.collect(of_type, &set.node, fields);
            }
        }
    }

    fn is_a(&self, of_type: &str, condition: &str) -> bool {
        let interfaces = self.ctx.schema_env.registry.implements.get(of_type);
        of_type == condition || interfaces.is_some_and(|interfaces| interfaces.contains(condition))
    }

    fn type_of(&self, parent: &str, field: &str) -> &'a str {
        let parent = self.ctx.schema_env.registry.types.get(parent);
        let field = parent.and_then(|parent| parent.field_by_name(field));
        field.map_or("", |field| MetaTypeName::concrete_typename(&field.ty))
    }
}

fn merge<'a>(field: &'a Field, fields: &mut Vec<Merged<'a>>) {
    let key = field.response_key().node.as_str();
    let below = Some(&field.selection_set.node).filter(|set| !set.items.is_empty());
    match fields.iter_mut().find(|known| known.key == key) {
        Some(known) => known.below.extend(below),
        None => fields.push(Merged { key, field: &field.name.node, below: below.into_iter().collect() }),
    }
}

/// Writes JSON.
pub(super) struct Writer<'a> {
    /// For resolvers, none of which looks at it.
    pub(super) context: &'a Context<'a>,
    json: Vec<u8>,
}

impl Writer<'_> {
    /// Writes an object.
    pub(super) fn object<T: AtHand>(&mut self, object: &T, plan: &Plan) {
        self.json.push(b'{');
        for (at, field) in plan.0.iter().enumerate() {
            if at > 0 {
                self.json.push(b',');
            }
            self.json.extend_from_slice(field.key.as_bytes());
            match field.name.as_str() {
                "__typename" => self.leaf(&T::type_name()),
                name => object.write(name, &field.below, self),
            }
        }
        self.json.push(b'}');
    }

    /// Writes a list of objects.
    pub(super) fn list<T: AtHand>(&mut self, objects: &[T], plan: &Plan) {
        self.json.push(b'[');
        for (at, object) in objects.iter().enumerate() {
            if at > 0 {
                self.json.push(b',');
            }
            self.object(object, plan);
        }
        self.json.push(b']');
    }

    /// Writes what has no fields.
    pub(super) fn leaf(&mut self, value: &impl Serialize) {
        body::write(value, &mut self.json);
    }
}

/// What a resolver gives that does not wait or fail.
pub(super) fn now<T>(resolver: impl Future<Output = Result<T, async_graphql::Error>>) -> T {
    let value = resolver.now_or_never().and_then(Result::ok);
    value.expect("a resolver that neither waits nor fails, as `AtHand` demands")
}
