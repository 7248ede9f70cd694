//! Plans as bytes: our nodes, and Ballista's for all others.

use std::{path::PathBuf, sync::Arc};

use ballista_core::serde::BallistaPhysicalExtensionCodec;
use datafusion::{
    common::{DataFusionError, Result, plan_err},
    execution::TaskContext,
    physical_plan::ExecutionPlan,
};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};

use super::{ReportsExec, Step};

/// Encodes and decodes plans. That of an executor gives our nodes its keys.
#[derive(Debug)]
pub(crate) struct Codec {
    keys: Option<PathBuf>,
    ballista: BallistaPhysicalExtensionCodec,
}

/// What our nodes begin with. No message of Ballista does: it would be of a field that there is not.
const MARK: &[u8] = b"\xff\xffascribe ";

impl Codec {
    /// That of a client or scheduler, who can open nothing.
    pub(crate) fn without_keys() -> Self {
        Self { keys: None, ballista: BallistaPhysicalExtensionCodec::default() }
    }

    /// That of an executor with the keys of this directory.
    pub(crate) fn with_keys(keys: PathBuf) -> Self {
        Self { keys: Some(keys), ..Self::without_keys() }
    }
}

impl PhysicalExtensionCodec for Codec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(step) = bytes.strip_prefix(MARK) else {
            return self.ballista.try_decode(bytes, inputs, context, converter);
        };
        let step: Step =
            serde_json::from_slice(step).map_err(|error| DataFusionError::External(error.into()))?;
        let [input] = inputs else { return plan_err!("a node of ours has one input") };
        Ok(Arc::new(ReportsExec::new(step, input.clone(), self.keys.clone())))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(reports) = node.downcast_ref::<ReportsExec>() else {
            return self.ballista.try_encode(node, bytes, converter);
        };
        bytes.extend_from_slice(MARK);
        serde_json::to_writer(bytes, &reports.step).map_err(|error| DataFusionError::External(error.into()))
    }
}
