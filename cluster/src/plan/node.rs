//! Our nodes, as DataFusion has them: one input, and as many partitions.

use std::{fmt, path::PathBuf, sync::Arc};

use datafusion::{
    arrow::datatypes::SchemaRef,
    common::{Result, plan_err, tree_node::TreeNodeRecursion},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::EquivalenceProperties,
    physical_plan::{
        ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr,
        PlanProperties, ReplaceChildrenOptions,
        execution_plan::{Boundedness, EmissionType},
        stream::RecordBatchReceiverStreamBuilder,
    },
};

use super::{Step, open, read};

/// Reads reports, or opens them.
#[derive(Debug)]
pub(crate) struct ReportsExec {
    pub(super) step: Step,
    input: Arc<dyn ExecutionPlan>,
    /// Where this machine has its keys. No part of the plan: only an executor has any.
    keys: Option<PathBuf>,
    properties: Arc<PlanProperties>,
}

impl ReportsExec {
    pub(super) fn new(step: Step, input: Arc<dyn ExecutionPlan>, keys: Option<PathBuf>) -> Self {
        let partitions = input.properties().output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(step.schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { step, input, keys, properties: Arc::new(properties) }
    }
}

impl DisplayAs for ReportsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Step::Read => f.write_str("ReportsExec: read"),
            Step::Open(opening) => write!(f, "ReportsExec: open, {opening:?}"),
        }
    }
}

impl ExecutionPlan for ReportsExec {
    fn name(&self) -> &'static str {
        "ReportsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn schema(&self) -> SchemaRef {
        self.step.schema()
    }

    /// The plan says how it is divided.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = children.as_slice() else { return plan_err!("{} has one input", self.name()) };
        Ok(Arc::new(Self::new(self.step.clone(), input.clone(), self.keys.clone())))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let mut stream = RecordBatchReceiverStreamBuilder::new(self.schema(), 2);
        let output = stream.tx();
        match &self.step {
            Step::Read => stream.spawn(read::read(input, output)),
            Step::Open(opening) => {
                let Some(keys) = self.keys.clone() else { return plan_err!("only executors have keys") };
                stream.spawn(open::open(opening.clone(), keys, input, output));
            }
        }
        Ok(stream.build())
    }
}
