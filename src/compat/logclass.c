/*
 * The table of log fragments, most specific first: a line takes the first row whose words it holds.
 * Fragments are words of the messages themselves. Source positions, line numbers and "Error Code N"
 * change from release to release and are never matched.
 */
#include "compat/logclass.h"

#include "base/macros.h"

#include <tenon/tenon.h>

#include <string.h>

#define PLAN    TN_LOG_PLAN
#define RUNG    TN_LOG_RUNG
#define REQUEST TN_LOG_REQUEST
#define MODEL   TN_LOG_MODEL
#define DEVICE  TN_LOG_DEVICE
#define GENERIC TN_LOG_GENERIC
#define WARNING TN_LOG_WARNING

static const char get_one[] = "get an engine built for this runtime and GPU: tenon get MODEL";
static const char copy_again[] = "copy the file again and compare its SHA-256, or build it again";
static const char look_before[] = "read the line before it";
static const char fix_driver[] =
    "repair or update the NVIDIA driver; nothing is wrong with the engine";
static const char other_variant[] = "the next precision of the ladder, or another export of the "
                                    "model";
static const char give_shapes[] = "give every dynamic input a range: --shapes NAME=MIN:OPT:MAX";

/* clang-format off */
static const struct tn_log_class rows[] = {
    /* not TensorRT's: what an application says of its own callback (tn_log_line()) */
    { TN_LINE_STOPPED, NULL, "application", DEVICE, "the application's callback ended before it knew", "look at the application's own error" },

    /* printed around nearly every error of RTX 1.4, with a CUDA text that is not the reason */
    { "catchCudaError", NULL, "generic", GENERIC, "a CUDA call failed beside the real error", look_before },

    /* loading: what the bytes are. The numbers are magic read != magic expected. */
    { "(1953657974 != 1953657958)", NULL, "flavor", PLAN, "a TensorRT-RTX engine given to TensorRT", get_one },
    { "(1953657958 != 1953657974)", NULL, "flavor", PLAN, "a TensorRT engine given to TensorRT-RTX", get_one },
    { "(1953657968 != ", NULL, "trt-version", PLAN, "an engine of TensorRT 8.5 or older, or a timing cache", get_one },
    { "kEXPECTED_MAGIC_TAG", NULL, "not-an-engine", PLAN, "the bytes are no engine, or stand behind a wrapper", "tenon inspect FILE says what they are" },
    { "Platform specific tag mismatch", NULL, "platform", PLAN, "built for another operating system or architecture", "build it on this platform" },
    { "expectedPlatformTag", NULL, "platform", PLAN, "built for another operating system or architecture", "build it on this platform" },
    { "kPLAN_MAGIC_TAG", NULL, "not-an-engine", PLAN, "no engine, a wrapped one, an RTX one, or one of 8.5 or older", "tenon inspect FILE says what it is" },
    { "Magic tag does not match", NULL, "not-an-engine", PLAN, "no engine, a wrapped one, or one of 8.6 or later on an older runtime", "tenon inspect FILE says what it is" },
    { "kMAGIC_TAG failed", NULL, "not-an-engine", PLAN, "the archive inside the engine does not begin as it should", "tenon inspect FILE says what it is" },
    { "Mismatch between allocated memory size and expected size of serialized engine", NULL, "not-an-engine", PLAN, "no engine, or one of another format; releases up to 6 abort after it", get_one },

    /* loading: whole or not */
    { "header.size == blobSize", NULL, "truncated", PLAN, "the file is shorter or longer than its header says", copy_again },
    { "Size specified in header does not match archive size", NULL, "truncated", PLAN, "the file is shorter or longer than its header says", copy_again },
    { "Failed to read memory from the stream", NULL, "truncated", PLAN, "the file ends too early", copy_again },
    { "Failed to read header from the stream", NULL, "truncated", PLAN, "the file is too short for a header", copy_again },
    { "Not a valid plan stream", NULL, "not-an-engine", PLAN, "no engine, or one of 8.5 or older", "tenon inspect FILE says what it is" },
    { "Failed to verify a plan tag", NULL, "not-an-engine", PLAN, "no engine of 8.6 or later", "tenon inspect FILE says what it is" },
    { "Failed to read plan file", NULL, "truncated", PLAN, "the file is too short for a header", copy_again },
    { "Error opening engine file", NULL, "engine-missing", REQUEST, "the engine file is not there", "check the path" },
    { "blobSize > numericCast", NULL, "truncated", PLAN, "the file is too short for a header", copy_again },
    { "kEND_OF_PLAN_MARKER", NULL, "truncated", PLAN, "the mark at the end of the file is missing", copy_again },
    { "empty memory buffer", NULL, "truncated", PLAN, "the file is empty", copy_again },
    { "Engine blob is empty", NULL, "truncated", PLAN, "the file is empty", copy_again },
    { "(blob) != nullptr", NULL, "truncated", PLAN, "the file is empty", copy_again },
    { "kEND_OF_ARCHIVE_MARKER", NULL, "corrupt", PLAN, "the mark at the end of the archive is damaged", copy_again },
    { "No engine found in plan", NULL, "corrupt", PLAN, "the section table names no engine", copy_again },
    { "Engine not found in plan", NULL, "corrupt", PLAN, "the section table names no engine", copy_again },
    { "e.offset >= cursor", NULL, "corrupt", PLAN, "the section table is damaged", copy_again },
    { "cursor < blobSize", NULL, "corrupt", PLAN, "the section table is damaged", copy_again },
    { "kPLAN_ALIGNMENT == 0", NULL, "corrupt", PLAN, "the section table is damaged", copy_again },
    { "actualTypehash == expectedTypehash", NULL, "corrupt", PLAN, "the stream inside the engine is damaged", copy_again },
    { "a weights plan entry was also provided", NULL, "corrupt", PLAN, "a flag in the engine is damaged", copy_again },
    { "Type mismatch", "readExternal", "corrupt", PLAN, "damaged, or of another release (6 and 7)", get_one },

    /* loading: version */
    { "plan major version does not match runtime major version", NULL, "trt-version", PLAN, "a version-compatible engine of another major release", get_one },
    { "expecting library version", NULL, "trt-version", PLAN, "built by another release; all four numbers count", get_one },
    { "Using old deserialization call on a weight-separated plan file", NULL, "trt-version", PLAN, "built before 10.6, loaded by 10.6 or later; nothing is stripped", get_one },
    { "old deserialization call on a newer plan file", NULL, "trt-version", PLAN, "built before 10.6, loaded by a later release", get_one },
    { "Version tag does not match", NULL, "trt-version", PLAN, "built by a release with another serialization number", get_one },
    { "safeVersionRead == safeSerializationVersion", NULL, "trt-version", PLAN, "built by a release with another serialization number", get_one },
    { "stdVersionRead ==", NULL, "trt-version", PLAN, "built by a release with another serialization number", get_one },
    { "incompatible serialization version", NULL, "trt-version", PLAN, "another release, platform or kind of runtime", get_one },

    /* loading: lean runtimes, GPU, libraries */
    { "getEngineHostCodeAllowed() is false", NULL, "host-code", PLAN, "a lean runtime is inside and host code is not allowed", "allow host code if you trust where the engine came from" },
    { "stub loadRunner", NULL, "lean-runtime", PLAN, "an ordinary engine in a lean runtime", "use the full runtime, or build it version-compatible" },
    { "Unexpected call to stub", NULL, "lean-runtime", PLAN, "a dispatch runtime and no lean runtime inside the engine", "use the full runtime, or build it version-compatible with the lean runtime" },
    { "generated on an incompatible device", NULL, "compute-capability", PLAN, "built for another compute capability", "build it on this GPU" },
    { "The engine cannot run on this GPU", NULL, "compute-capability", PLAN, "the engine's list does not name this GPU", "build it with this compute capability in the list" },
    { "across different models of devices", NULL, "device-model", WARNING, "built on another board of the same compute capability; it runs", "build it on this board for full speed" },
    { "user-owned deserialization memory with weight streaming", NULL, "host-memory", WARNING, "a weight-streaming engine takes its weights once more in host memory", "read it through a stream reader" },
    { "was linked against cuDNN", NULL, "cuda-library", WARNING, "another cuDNN than the one built against", "install the cuDNN that this TensorRT names" },
    { "mismatch of libnvrtc version", NULL, "cuda-library", PLAN, "another libnvrtc than the builder's", "install the CUDA libraries that this TensorRT names" },
    { "Post deserialization check failure", NULL, "cuda-library", PLAN, "CUDA libraries differ from the builder's", "install the CUDA libraries that this TensorRT names" },
    { "kDLA_STANDALONE", NULL, "dla", PLAN, "a standalone DLA engine, which is not for TensorRT's runtime", "load it with cuDLA" },
    { "DLA Error in deserialize", NULL, "dla", PLAN, "the DLA part cannot be loaded on this core", "choose the DLA core before loading, or build without DLA" },
    { "Cannot create DLA engine", NULL, "dla", REQUEST, "there is no DLA on this device", "build without DLA" },
    { "could not find plugin", NULL, "plugin-missing", PLAN, "a plugin is not registered", "load its library, or name it under plugins: of the model" },
    { "Cannot find plugin:", NULL, "plugin-missing", PLAN, "a plugin is not registered", "load its library, or name it under plugins: of the model" },
    { "IPluginCreator not found in Plugin Registry", NULL, "plugin-missing", PLAN, "a plugin is not registered; the line before names it", "load its library before the engine" },
    { "Cask convolution execution", NULL, "corrupt", PLAN, "a kernel of the engine failed: damaged bytes", copy_again },
    { "NVRTC Compilation failure", NULL, "corrupt", PLAN, "the engine's kernels do not compile here: damaged bytes", copy_again },
    { "CUDA_ERROR_INVALID_IMAGE", NULL, "driver-old", PLAN, "kernels newer than this driver", "update the driver, or build it here" },
    { "no kernel image", NULL, "driver-old", PLAN, "no kernel for this GPU or driver", "update the driver, or build it here" },

    /* building: the request */
    { "no optimization profile has been defined", NULL, "no-profile", REQUEST, "a dynamic input has no range", give_shapes },
    { "is missing dimensions in profile", NULL, "no-profile", REQUEST, "a dynamic input has no range, or its name is misspelt", give_shapes },
    { "no shapes were provided. Automatically overriding", NULL, "no-profile", REQUEST, "trtexec makes up a shape for a dynamic input", give_shapes },
    { "MIN<=OPT<=MAX", NULL, "bad-profile", REQUEST, "a range is not in order", "order it: MIN <= OPT <= MAX" },
    { "Dimension mismatch for tensor", NULL, "bad-profile", REQUEST, "a range touches an axis that the model fixes", "give the fixed size there" },
    { "dimensions but profile", NULL, "bad-profile", REQUEST, "a range has another rank than the input", "give as many axes as the input has" },
    { "is inconsistent with other shapes", NULL, "bad-profile", REQUEST, "a range holds a negative or contradictory size", give_shapes },
    { "Cannot find input tensor with name", NULL, "bad-profile", REQUEST, "the model has no input of that name", "tenon inspect MODEL lists the inputs" },
    { "reshape wildcard -1 has no integer solution", NULL, "bad-profile", REQUEST, "the shapes do not fit a reshape in the model", "give shapes that the model can take" },
    { "no tactics to implement the operation within workspace", NULL, "workspace", REQUEST, "the workspace limit is too small", "raise or drop --workspace" },
    { "insufficient workspace", NULL, "workspace", REQUEST, "the workspace limit is too small", "raise or drop --workspace" },
    { "Compute capability is invalid or not supported", NULL, "compute-capability", REQUEST, "TensorRT-RTX cannot build for this compute capability", "name 7.5, 8.0, 8.6, 8.9, 12.0 or 12.1" },
    { "bad optional access", NULL, "compute-capability", REQUEST, "a compute capability was refused before", "name 7.5, 8.0, 8.6, 8.9, 12.0 or 12.1" },
    { "!config.getFlag(BuilderFlag::k", NULL, "precision-flag", REQUEST, "TensorRT-RTX takes precision from the model, not from flags", "give the variant of that precision" },
    { "Adding new entry to timing cache is not allowed", NULL, "cache-miss", REQUEST, "the pinned timing cache lacks an entry", "build the cache anew, or allow new entries" },
    { "failed to parse minShapes", NULL, "bad-profile", REQUEST, "a shape that is none", give_shapes },
    { "mismatch while setting input shape", NULL, "bad-shape", REQUEST, "an input of a size that the engine does not take", "give shapes within the engine's range" },
    { "Unknown memory pool", NULL, "option", REQUEST, "this release of trtexec does not know the memory pool", "use the options of that release" },
    { "Model missing or format not recognized", NULL, "option", REQUEST, "trtexec was given neither a model nor an engine", "name one" },
    { "Unknown option:", NULL, "option", REQUEST, "this release of trtexec does not know the option", "use the options of that release" },
    { "The timing cache will not be used", NULL, "timing-cache", WARNING, "the timing cache is of another release or damaged", "keep one cache for each release" },
    { "tensor volume exceeds", NULL, "bad-profile", WARNING, "the largest shape makes an impossible tensor", "lower MAX" },
    { "setHardwareCompatibilityLevel() is unsupported", NULL, "option", WARNING, "TensorRT-RTX has no hardware compatibility levels", "use compute-capabilities instead" },

    /* building: the model */
    { "Network must have at least one output", NULL, "empty-model", MODEL, "no model in the file: an empty file parses without an error", "look at the ONNX file: tenon inspect MODEL" },
    { "MODEL_DESERIALIZE_FAILED", NULL, "not-onnx", MODEL, "the bytes are no ONNX model, or end too early", "download it again; of a Git LFS pointer run git lfs pull" },
    { "Input file cannot be found, or is not a regular file", NULL, "model-missing", MODEL, "the ONNX file is not there", "check the path" },
    { "Could not open file", NULL, "model-missing", MODEL, "the ONNX file cannot be opened", "check path and permission" },
    { "Failed to parse ONNX model from file", NULL, "not-onnx", MODEL, "the file is no ONNX model, or not there", "tenon inspect MODEL says what it is" },
    { "external weights offset/length out of range", NULL, "external-data-short", MODEL, "the external data file is too short", "copy the .data file again" },
    { "WeightsContext", "Failed to open file", "external-data-missing", MODEL, "an external data file is not beside the model", "copy the .data file beside it" },
    { "Failed to import initial", NULL, "external-data-missing", MODEL, "a weight cannot be read", "copy the external data beside the model" },
    { "Kernel weight dimension failed to broadcast", NULL, "weights", MODEL, "weights do not fit their layer", "export the model again" },
    { "Input dimensions with this name have different constant values", NULL, "axis-names", MODEL, "two axes of different size share one symbolic name", "rename the axes, or fix them in the model" },
    { "ONNX date type", NULL, "unsupported-type", MODEL, "a tensor type that TensorRT lacks, such as strings", "cut that part out of the model" },
    { "Unsupported ONNX data type", NULL, "unsupported-type", MODEL, "a tensor type that TensorRT lacks, such as strings", "cut that part out of the model" },

    /* building: this variant of the model */
    { "generateForCurrent", NULL, "needs-gpu", RUNG, "this release measures a GPU for this build, and there is none", "build it on a machine with a GPU, or with a later release" },
    { "HW-specific datatypes", NULL, "precision-unsupported", RUNG, "a compute capability of the list lacks this precision", "drop that compute capability, or take another precision" },
    { "for Turing (SM75)", NULL, "precision-unsupported", RUNG, "compute capability 7.5 lacks an operation at this precision", "drop 7.5 from the list, or take fp16" },
    { "CHECK(dtype == myelinTypeFloat", NULL, "int8-convolution", RUNG, "this release has no INT8 convolutions", other_variant },
    { "only allowed before DQ", NULL, "quantized-constant", RUNG, "a quantized constant is used outside of DequantizeLinear", "quantize Conv and MatMul only" },
    { "Non-zero zero point is not supported", NULL, "asymmetric-quantization", RUNG, "quantized with a zero point", "quantize symmetrically" },
    { "must have type FP8, FP4, Int4, Int8, or UInt8", NULL, "quantized-bias", RUNG, "a quantized bias", "quantize without bias" },
    { "must have same input types", NULL, "mixed-types", RUNG, "half-converted: one operand is half, the other float", other_variant },
    { "must be of same type", NULL, "mixed-types", RUNG, "half-converted: one operand is half, the other float", other_variant },
    { "cannot be imported into TensorRT", NULL, "unsupported-type", RUNG, "a weight type that this release cannot read", other_variant },
    { "Axis must be in the range", NULL, "unsupported-quantization", RUNG, "per-channel quantization that this release cannot read", other_variant },
    { "ScopeType::kUNDEFINED", NULL, "control-flow", RUNG, "an If or Loop that TensorRT cannot place", "export the model without the branch" },
    { "Plugin not found", NULL, "unsupported-operator", RUNG, "the parser knows neither the operator nor a plugin for it", "load a plugin, or export the model without it" },
    { "is not supported in TensorRT", NULL, "unsupported-operator", RUNG, "the parser does not know the operator", "load a plugin, or export the model without it" },
    { "UNSUPPORTED_NODE", NULL, "unsupported-operator", RUNG, "the parser knows the operator and does not support it so", "export the model without it" },
    { "[8] false", NULL, "unsupported-operator", RUNG, "the parser knows the operator and does not support it", "export the model without it" },

    /* device and machine */
    { "CUDA initialization failure with error: 35", NULL, "cuda-unavailable", DEVICE, "no driver, or one too old for this CUDA", fix_driver },
    { "CUDA initialization failure with error: 100", NULL, "cuda-unavailable", DEVICE, "no GPU is visible", "check CUDA_VISIBLE_DEVICES and the container's --gpus" },
    { "CUDA initialization failure", NULL, "cuda-unavailable", DEVICE, "CUDA cannot start", fix_driver },
    { "CUDA driver version is insufficient", NULL, "cuda-unavailable", DEVICE, "no driver, or one too old for this CUDA", fix_driver },
    { "no CUDA-capable device is detected", NULL, "cuda-unavailable", DEVICE, "no GPU is visible", "check CUDA_VISIBLE_DEVICES and the container's --gpus" },
    { "Error reading CUDA GPU properties", NULL, "cuda-unavailable", DEVICE, "no driver answers", fix_driver },
    { "ScopedCudaStream", NULL, "cuda-unavailable", DEVICE, "no driver answers", fix_driver },
    { "CHECK(status == CUDA_SUCCESS)", NULL, "cuda-unavailable", DEVICE, "the build needs a GPU (refit and strip do)", "build it on a machine with a GPU" },
    { "invalid device ordinal", NULL, "cuda-unavailable", DEVICE, "there is no GPU of that number", "tenon device lists the GPUs" },
    { "Cannot find device ID", NULL, "cuda-unavailable", DEVICE, "there is no GPU of that number", "tenon device lists the GPUs" },
    { "LLVM ERROR: out of memory", NULL, "no-memory", DEVICE, "memory; 10.6 also dies with it when given something that is no engine", "tenon inspect FILE; free memory and try again" },
    { "Cuda Error in allocate", NULL, "no-memory", DEVICE, "GPU memory has run out", "free GPU memory and try again" },
    { "out of memory", NULL, "no-memory", DEVICE, "memory has run out", "free memory and try again" },
    { "OutOfMemory", NULL, "no-memory", DEVICE, "memory has run out", "free memory and try again" },
    { "bad_alloc", NULL, "no-memory", DEVICE, "host memory has run out", "free memory or raise the limit, and try again" },
    { "annot allocate memory", NULL, "no-memory", DEVICE, "host memory has run out", "free memory or raise the limit, and try again" },
    { "failed to map segment from shared object", NULL, "no-memory", DEVICE, "a library does not fit into memory", "free memory or raise the limit, and try again" },
    { "FAILED_ALLOCATION", NULL, "no-memory", DEVICE, "memory has run out", "free memory and try again" },
    { "Resource temporarily unavailable", NULL, "no-memory", DEVICE, "a limit on memory or processes was met", "raise the limit, and try again" },
    { "Error Code 1: Cask", NULL, "kernel-failed", DEVICE, "a kernel failed; with little free GPU memory this is all that is said", "free GPU memory and try again" },
    { "Cask Error", NULL, "kernel-failed", DEVICE, "a kernel failed; with little free GPU memory this is all that is said", "free GPU memory and try again" },
    { "Build canceled", NULL, "cancelled", DEVICE, "the build was asked to stop", "start it again" },
    { "BuildCanceled", NULL, "cancelled", DEVICE, "the build was asked to stop", "start it again" },
    { "Saving engine to file failed", NULL, "not-written", DEVICE, "the engine could not be written; trtexec does not say why", "check free space and permission of the folder" },
    { "Unable to load library", NULL, "library-missing", DEVICE, "a library of this TensorRT is not installed", "install it beside the others, of the same release" },
    { "cannot open shared object file", NULL, "library-missing", DEVICE, "a library cannot be opened (RTX says so too when memory is short)", "install it, or set LD_LIBRARY_PATH" },
    { "validateCaskKLibSize", NULL, "library-missing", DEVICE, "the builder resource is not the one of this GPU", "install the resource library of this GPU" },
    { "nbKLibs > 0", NULL, "library-missing", DEVICE, "the builder resource is empty", "install the resource library of this GPU" },

    /* what comes after the reason */
    { "Engine deserialization failed", NULL, "generic", GENERIC, "loading failed", look_before },
    { "Deserialize the cuda engine failed", NULL, "generic", GENERIC, "loading failed", look_before },
    { "Core engine deserialization failure", NULL, "generic", GENERIC, "loading failed", look_before },
    { "INVALID_STATE: std::exception", NULL, "generic", GENERIC, "loading failed", look_before },
    { "Assertion engine != nullptr failed", NULL, "generic", GENERIC, "loading failed", look_before },
    { "Assertion iEngine failed", NULL, "generic", GENERIC, "loading failed", look_before },
    { "engine->deserialize(", NULL, "generic", GENERIC, "loading failed", look_before },
    { "Failed to get plan file version", NULL, "generic", GENERIC, "loading failed", look_before },
    { "Got invalid engine!", NULL, "generic", GENERIC, "loading failed", look_before },
    { "Inference set up failed", NULL, "generic", GENERIC, "trtexec failed", look_before },
    { "Engine set up failed", NULL, "generic", GENERIC, "trtexec failed", look_before },
    { "Failed to create engine from model", NULL, "generic", GENERIC, "building failed", look_before },
    { "Building engine failed", NULL, "generic", GENERIC, "building failed", look_before },
    { "Engine could not be created from network", NULL, "generic", GENERIC, "building failed", look_before },
    { "Failed to parse onnx file", NULL, "generic", GENERIC, "parsing failed", look_before },
    { "Parsing model failed", NULL, "generic", GENERIC, "parsing failed", look_before },
    { "Network And Config setup failed", NULL, "generic", GENERIC, "building failed", look_before },
};
/* clang-format on */

const struct tn_log_class *tn_log_classes(size_t *ret_count)
{
    *ret_count = TN_COUNT(rows);
    return rows;
}

const struct tn_log_class *tn_log_classify(const char *line)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        if (strstr(line, rows[i].fragment) && (!rows[i].also || strstr(line, rows[i].also)))
            return &rows[i];
    return NULL;
}

bool tn_log_is_noise(const char *line)
{
    const struct tn_log_class *row;

    if (line[strspn(line, " \t\r\n")] == '\0')
        return true;
    row = tn_log_classify(line);
    return row && row->scope == TN_LOG_GENERIC;
}

bool tn_log_lasting(const struct tn_log_class *row)
{
    static const bool lasting[] = {
        [TN_LOG_PLAN] = true,     [TN_LOG_RUNG] = true,    [TN_LOG_REQUEST] = true,
        [TN_LOG_MODEL] = true,    [TN_LOG_DEVICE] = false, [TN_LOG_GENERIC] = false,
        [TN_LOG_WARNING] = false,
    };

    return row && lasting[row->scope];
}
