/*
 * Lines as real libraries print them (source positions shortened), and what they must be taken for.
 */
#include "base/macros.h"
#include "compat/logclass.h"
#include "tn_test.h"

#include <string.h>
#include <tenon/tenon.h>

#define DESERIALIZE "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization "
#define BUILD       "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error ("
#define MYELIN      "IBuilder::buildSerializedNetwork: Error Code 1: Myelin (["

static const struct {
    const char *line, *name;
    enum tn_log_scope scope;
} known[] = {
    { TN_LINE_STOPPED "KeyboardInterrupt", "application", TN_LOG_DEVICE },
    /* loading */
    { DESERIALIZE "assertion header.magicTag == kEXPECTED_MAGIC_TAG failed.Trying to load an "
                  "engine created with incompatible serialization version (1953657974 != "
                  "1953657958). Check that the engine was not created using safety runtime",
      "flavor", TN_LOG_PLAN },
    { DESERIALIZE "assertion header.magicTag == kEXPECTED_MAGIC_TAG failed.Trying to load an "
                  "engine created with incompatible serialization version (1953657958 != "
                  "1953657974). Check that",
      "flavor", TN_LOG_PLAN },
    { DESERIALIZE "assertion header.magicTag == kEXPECTED_MAGIC_TAG failed.Trying to load an "
                  "engine created with incompatible serialization version (1953657968 != "
                  "1953657958). Check that",
      "trt-version", TN_LOG_PLAN },
    { "Error[1]: header.magicTag == kEXPECTED_MAGIC_TAG failed.Trying to load an engine created "
      "with incompatible serialization version (1936287860 != 1953657958)",
      "not-an-engine", TN_LOG_PLAN },
    { "Serialization assertion plan->header.pad == expectedPlatformTag failed.Platform specific "
      "tag mismatch detected. TensorRT plan files are only supported on the target runtime "
      "platform they were created on.",
      "platform", TN_LOG_PLAN },
    { "Serialization assertion plan->header.pad == expectedPlatformTag failed.", "platform",
      TN_LOG_PLAN },
    { "1: [runtime.cpp::parsePlan::314] Error Code 1: Serialization (Serialization assertion "
      "plan->header.magicTag == rt::kPLAN_MAGIC_TAG failed.)",
      "not-an-engine", TN_LOG_PLAN },
    { DESERIALIZE "assertion plan->header.magicTag == rt::kPLAN_MAGIC_TAG failed.Trying to load "
                  "an engine created with incompatible serialization version. Check that",
      "not-an-engine", TN_LOG_PLAN },
    { "Error[1]: [stdArchiveReader.cpp::stdArchiveReaderInitCommon::45] Error Code 1: "
      "Serialization (Serialization assertion magicTagRead == kMAGIC_TAG failed.Magic tag does "
      "not match)",
      "not-an-engine", TN_LOG_PLAN },
    { "Serialization assertion magicTagRead == kMAGIC_TAG failed.", "not-an-engine", TN_LOG_PLAN },
    { "Mismatch between allocated memory size and expected size of serialized engine.",
      "not-an-engine", TN_LOG_PLAN },
    { "Serialization assertion plan->header.size == blobSize failed.", "truncated", TN_LOG_PLAN },
    { "sizeRead == static_cast<uint64_t>(mEnd - mCurrent) failed.Size specified in header does "
      "not match archive size",
      "truncated", TN_LOG_PLAN },
    { "Error Code 4: API Usage Error (Failed to read memory from the stream: read 229174 out of "
      "458380 bytes.)",
      "truncated", TN_LOG_PLAN },
    { "Failed to read header from the stream: read 0 out of 32 bytes.", "truncated", TN_LOG_PLAN },
    { "Error[4]: IRuntime::deserializeCudaEngine: Error Code 4: API Usage Error (Not a valid plan "
      "stream.)",
      "not-an-engine", TN_LOG_PLAN },
    { "[E] Failed to verify a plan tag.", "not-an-engine", TN_LOG_PLAN },
    { "[E] Failed to read plan file", "truncated", TN_LOG_PLAN },
    { "[E] Error opening engine file: /engines/missing.plan", "engine-missing", TN_LOG_REQUEST },
    { "[runtime.cpp::parsePlan::619] Error Code 2: Internal Error (Assertion blobSize > "
      "numericCast<int64_t>(sizeof(rt::PlanHeader)) failed. )",
      "truncated", TN_LOG_PLAN },
    { "*reinterpret_cast<rt::PlanFooter const*>(memory + cursor) == rt::kEND_OF_PLAN_MARKER "
      "failed.",
      "truncated", TN_LOG_PLAN },
    { "Cannot deserialize with an empty memory buffer", "truncated", TN_LOG_PLAN },
    { "Engine blob is empty. Nothing to deserialize!", "truncated", TN_LOG_PLAN },
    { "Error Code 3: API Usage Error (Parameter check failed, condition: (blob) != nullptr. )",
      "truncated", TN_LOG_PLAN },
    { "Assertion endOfArchive == kEND_OF_ARCHIVE_MARKER failed.", "corrupt", TN_LOG_PLAN },
    { "Error Code 4: API Usage Error (No engine found in plan.)", "corrupt", TN_LOG_PLAN },
    { "4: Error Code 4: Internal Error (Engine not found in plan.)", "corrupt", TN_LOG_PLAN },
    { "Serialization assertion e.offset >= cursor failed.", "corrupt", TN_LOG_PLAN },
    { "Serialization assertion cursor < blobSize failed.", "corrupt", TN_LOG_PLAN },
    { "Serialization assertion e.offset % rt::kPLAN_ALIGNMENT == 0 failed.", "corrupt",
      TN_LOG_PLAN },
    { "Serialization assertion actualTypehash == expectedTypehash failed.actual: 33001 expected: "
      "32777",
      "corrupt", TN_LOG_PLAN },
    { "Archive contains weights, but a weights plan entry was also provided", "corrupt",
      TN_LOG_PLAN },
    { "Type mismatch in readExternal", "corrupt", TN_LOG_PLAN },
    { "6: [runtime.cpp::deserializeCudaEngineEx::123] Error Code 6: Internal Error (TensorRT plan "
      "major version does not match runtime major version.Plan version: 10.6, runtime library "
      "version: 8.6)",
      "trt-version", TN_LOG_PLAN },
    { "6: The engine plan file is not compatible with this version of TensorRT, expecting library "
      "version 8.6.1.6 got 8.6.1.7, please rebuild.",
      "trt-version", TN_LOG_PLAN },
    { "Error Code 1: Internal Error (Using old deserialization call on a weight-separated plan "
      "file.)",
      "trt-version", TN_LOG_PLAN },
    { "Error Code 1: Internal Error (Failed due to an old deserialization call on a newer plan "
      "file. This might happen when",
      "trt-version", TN_LOG_PLAN },
    { "1: [stdArchiveReader.cpp::StdArchiveReaderInitCommon::41] Error Code 1: Serialization "
      "(Serialization assertion safeVersionRead == safeSerializationVersion failed.Version tag "
      "does not match. Note: Current Version: 0, Serialized Engine Version: 239)",
      "trt-version", TN_LOG_PLAN },
    { "Serialization assertion safeVersionRead == safeSerializationVersion failed.", "trt-version",
      TN_LOG_PLAN },
    { "Serialization assertion stdVersionRead == serializationVersion failed.", "trt-version",
      TN_LOG_PLAN },
    { "Trying to load an engine created with incompatible serialization version. Check that the "
      "engine",
      "trt-version", TN_LOG_PLAN },
    { "Error Code 4: API Usage Error (Cannot deserialize engine with lean runtime since "
      "IRuntime::getEngineHostCodeAllowed() is false.)",
      "host-code", TN_LOG_PLAN },
    { "Error Code 1: Internal Error (Unexpected call to stub loadRunner", "lean-runtime",
      TN_LOG_PLAN },
    { "Error Code 1: Internal Error (Unexpected call to stub deserializeEngine. In", "lean-runtime",
      TN_LOG_PLAN },
    { "Error Code 6: API Usage Error (The engine plan file is generated on an incompatible "
      "device, expecting compute 9.0 got compute 10.0, please rebuild.)",
      "compute-capability", TN_LOG_PLAN },
    { "Error Code 6: API Usage Error (The engine cannot run on this GPU, which has compute "
      "capability 9.0. Supported compute capabilities: 8.0 8.6 8.9 12.0 12.1 >12.0.",
      "compute-capability", TN_LOG_PLAN },
    { "Using an engine plan file across different models of devices is not recommended and is "
      "likely to affect performance or even cause errors.",
      "device-model", TN_LOG_WARNING },
    { "Providing user-owned deserialization memory with weight streaming enabled will increase "
      "peak CPU memory usage by 1X weights size.",
      "host-memory", TN_LOG_WARNING },
    { "TensorRT was linked against cuDNN 8.4.1 but loaded cuDNN 8.2.0", "cuda-library",
      TN_LOG_WARNING },
    { "mismatch of libnvrtc version", "cuda-library", TN_LOG_PLAN },
    { "Post deserialization check failure", "cuda-library", TN_LOG_PLAN },
    { "Cannot deserialize serialized engine built with EngineCapability::kDLA_STANDALONE, use "
      "cuDLA APIs instead.",
      "dla", TN_LOG_PLAN },
    { "1: [dlaNode] DLA Error in deserialize: 7", "dla", TN_LOG_PLAN },
    { "Cannot create DLA engine, 0 not available", "dla", TN_LOG_REQUEST },
    { "[TRT] 3: getPluginCreator could not find plugin: AcmeGrid version: 1", "plugin-missing",
      TN_LOG_PLAN },
    { "[TRT] IPluginRegistry::getCreator: Error Code 4: API Usage Error (Cannot find plugin: "
      "AcmeGrid, version: 1, namespace:.)",
      "plugin-missing", TN_LOG_PLAN },
    { "IPluginCreator not found in Plugin Registry", "plugin-missing", TN_LOG_PLAN },
    { "IExecutionContext::enqueueV3: Error Code 1: Cask (Cask convolution execution)", "corrupt",
      TN_LOG_PLAN },
    { "ICudaEngine::createExecutionContext: Error Code 1: Myelin (nvrtc_compile.cpp:1122: "
      "CHECK(success) failed. NVRTC Compilation failure",
      "corrupt", TN_LOG_PLAN },
    { "CUDA_ERROR_INVALID_IMAGE (200)", "driver-old", TN_LOG_PLAN },
    { "CUDA error: no kernel image is available for execution on the device", "driver-old",
      TN_LOG_PLAN },

    /* the request */
    { BUILD "Network has dynamic or shape inputs, but no optimization profile has been defined. "
            "In validate at",
      "no-profile", TN_LOG_REQUEST },
    { BUILD "Dynamic input tensor x is missing dimensions in profile 0.", "no-profile",
      TN_LOG_REQUEST },
    { "Dynamic dimensions required for input: x, but no shapes were provided. Automatically "
      "overriding shape to: 1x3x1x1",
      "no-profile", TN_LOG_REQUEST },
    { "Invalid optimization profiles for input tensors x, please ensure that the optimization "
      "profiles satisfy MIN<=OPT<=MAX.",
      "bad-profile", TN_LOG_REQUEST },
    { "Dimension mismatch for tensor x and profile 0. At dimension axis 2, profile has min=100, "
      "opt=100, max=100 but tensor has 224.",
      "bad-profile", TN_LOG_REQUEST },
    { "Dynamic-shaped input tensor x has 4 dimensions but profile 0 has 3 dimensions.",
      "bad-profile", TN_LOG_REQUEST },
    { "RuntimeError: Shape provided for min is inconsistent with other shapes.", "bad-profile",
      TN_LOG_REQUEST },
    { "Cannot find input tensor with name \"nope\" in the network inputs!", "bad-profile",
      TN_LOG_REQUEST },
    { BUILD "IShuffleLayer reshape0: reshape wildcard -1 has no integer solution. Reshaping "
            "[1,3,1,1] to [-1,3072].)",
      "bad-profile", TN_LOG_REQUEST },
    { MYELIN "tactic.cpp:1676: enumerate_tactics] Tactic Selection: no tactics to implement the "
             "operation within workspace limit. ...)",
      "workspace", TN_LOG_REQUEST },
    { "Error Code 4: Internal Error (Could not find any implementation for node n7 + n8 due to "
      "insufficient workspace. See verbose log for requested sizes.)",
      "workspace", TN_LOG_REQUEST },
    { "IBuilderConfig::setComputeCapability: Error Code 3: API Usage Error (Parameter check "
      "failed, condition: false. Compute capability is invalid or not supported. ...)",
      "compute-capability", TN_LOG_REQUEST },
    { "Unexpected exception bad optional access", "compute-capability", TN_LOG_REQUEST },
    { "IBuilder::buildSerializedNetwork: Error Code 3: API Usage Error (Parameter check failed, "
      "condition: !config.getFlag(BuilderFlag::kFP16).  In createNetworkBuildConfig at",
      "precision-flag", TN_LOG_REQUEST },
    { "Assertion !errorOnMiss failed. Adding new entry to timing cache is not allowed if "
      "`BuilderFlag::kERROR_ON_TIMING_CACHE_MISS` is set.",
      "cache-miss", TN_LOG_REQUEST },
    { "stoi conversion failure: failed to parse minShapes/optShapes/maxShapes. Please double check "
      "your input string.",
      "bad-profile", TN_LOG_REQUEST },
    { "Error[3]: IExecutionContext::setInputShape: Error Code 3: API Usage Error (Parameter check "
      "failed, condition: engineDims.d[i] == dims.d[i]. Static dimension mismatch while setting "
      "input shape for x. Set dimensions are [99,3,224,224].",
      "bad-shape", TN_LOG_REQUEST },
    { "[E] Unknown memory pool: tacticDram", "option", TN_LOG_REQUEST },
    { "[E] Model missing or format not recognized", "option", TN_LOG_REQUEST },
    { "Unknown option: --fp16 ", "option", TN_LOG_REQUEST },
    { "Error[4]: The timing cache will not be used!", "timing-cache", TN_LOG_WARNING },
    { "Profile kMAX values are not self-consistent. c0: tensor volume exceeds 1099511627776, ...",
      "bad-profile", TN_LOG_WARNING },
    { "setHardwareCompatibilityLevel() is unsupported in TensorRT-RTX.", "option", TN_LOG_WARNING },

    /* the model */
    { BUILD "Network must have at least one output. In validate at ...)", "empty-model",
      TN_LOG_MODEL },
    { "(deserializeOnnxModel): MODEL_DESERIALIZE_FAILED: Assertion failed: "
      "model->ParseFromCodedStream(&codedInput): Failed to parse the ONNX model.",
      "not-onnx", TN_LOG_MODEL },
    { "In node -1 with name:  and operator:  (parseFromFile): INVALID_VALUE: Assertion failed: "
      "stat(onnxModelFile, &sb) == 0 && S_ISREG(sb.st_mode): Input file cannot be found, or is "
      "not a regular file: m.onnx",
      "model-missing", TN_LOG_MODEL },
    { "Could not open file /models/missing.onnx", "model-missing", TN_LOG_MODEL },
    { "[TRT] ModelImporter.cpp:901: Failed to parse ONNX model from file: /models/missing.onnx!",
      "not-onnx", TN_LOG_MODEL },
    { "WeightsContext.cpp:222: ONNX external weights offset/length out of range for file: ... "
      "(offset=0, length=3456, file size=100)",
      "external-data-short", TN_LOG_MODEL },
    { "WeightsContext.cpp:203: Failed to open file: DIR/extmiss.data", "external-data-missing",
      TN_LOG_MODEL },
    { "INVALID_GRAPH: Failed to import initializer: w0", "external-data-missing", TN_LOG_MODEL },
    { "[6] Assertion failed: (...): Kernel weight dimension failed to broadcast to input.",
      "weights", TN_LOG_MODEL },
    { BUILD "?: Input dimensions with this name have different constant values or have "
            "contradictory IOptimizationProfile kMIN/kMAX constraints. In getBounds at",
      "axis-names", TN_LOG_MODEL },
    { "Failed to convert ONNX date type to TensorRT data type.", "unsupported-type", TN_LOG_MODEL },
    { "Unsupported ONNX data type: STRING (8)", "unsupported-type", TN_LOG_MODEL },

    /* the rung */
    { "IBuilder::buildSerializedNetwork: Error Code 1: Cuda Runtime (In generateForCurrent at "
      "/_src/runtime/core/cudaDeviceProfile.cpp:187)",
      "needs-gpu", TN_LOG_RUNG },
    { "IBuilder::buildSerializedNetwork: Error Code 1: Cuda Runtime (In generateForCurrent at ... "
      "(cudaError 35: CUDA driver version is insufficient for CUDA runtime version))",
      "needs-gpu", TN_LOG_RUNG },
    { MYELIN "pass.cpp:1500: run_passes] Cannot compile for target(s) sm75, because the model "
             "contains HW-specific datatypes: b16. ...)",
      "precision-unsupported", TN_LOG_RUNG },
    { MYELIN "pass.cpp:337: check_turing_op_compatibility] Cannot compile operation 'node_of_y' "
             "for Turing (SM75): FP32 GEMM is not supported.",
      "precision-unsupported", TN_LOG_RUNG },
    { MYELIN "myelin_graph.h:1259: attachExceptionMsgToGraph] MyelinCheckException: "
             "cudnn_impl.cpp:89: CHECK(dtype == myelinTypeFloat || dtype == myelinTypeHalf || "
             "dtype == myelinTypeBF16 || dtype == myelinTypeFP8E4M3) failed. ...)",
      "int8-convolution", TN_LOG_RUNG },
    { BUILD "Quantized constant (inner.embeddings.word_embeddings.weight_q) is only allowed "
            "before DQ or PLUGIN_V2 or kPLUGIN_V3 node. ...)",
      "quantized-constant", TN_LOG_RUNG },
    { "Assertion failed: shiftIsAllZeros(zeroPoint): Non-zero zero point is not supported. Please "
      "set kENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA",
      "asymmetric-quantization", TN_LOG_RUNG },
    { "... input has type Int32 but must have type FP8, FP4, Int4, Int8, or UInt8",
      "quantized-bias", TN_LOG_RUNG },
    { "ITensor::getDimensions: Error Code 4: API Usage Error (...Einsum: IMatrixMultiplyLayer "
      "must have same input types. `A` is of type Float and `B` is of type Half. ...)",
      "mixed-types", TN_LOG_RUNG },
    { "IConvolutionLayer `input` and `kernel` must be of same type", "mixed-types", TN_LOG_RUNG },
    { "ONNX initializer xz cannot be imported into TensorRT!", "unsupported-type", TN_LOG_RUNG },
    { "Axis must be in the range [0, nbDims (0)]. Provided axis is: 1", "unsupported-quantization",
      TN_LOG_RUNG },
    { "[graphScope.cpp::analyze::471] Error Code 2: Internal Error (Assertion tScope.getType() != "
      "ScopeType::kUNDEFINED failed.  In analyze at ...)",
      "control-flow", TN_LOG_RUNG },
    { "onnxOpCheckers.cpp:998 In function checkFallbackPluginImporter: [6] creator && \"Plugin "
      "not found, are the plugin name, version, and namespace correct?\"",
      "unsupported-operator", TN_LOG_RUNG },
    { "Op type DynamicQuantizeLSTM is not supported in TensorRT-RTX.", "unsupported-operator",
      TN_LOG_RUNG },
    { "In node 3 with name: m and operator: MatMulInteger (checkMatMulInteger): UNSUPPORTED_NODE: "
      "false",
      "unsupported-operator", TN_LOG_RUNG },
    { "[8] false", "unsupported-operator", TN_LOG_RUNG },

    /* the device */
    { "createInferRuntime: Error Code 6: API Usage Error (CUDA initialization failure with error: "
      "35 In checkCudaInstallation at ...)",
      "cuda-unavailable", TN_LOG_DEVICE },
    { "CUDA initialization failure with error: 100", "cuda-unavailable", TN_LOG_DEVICE },
    { "CUDA initialization failure with error: 999", "cuda-unavailable", TN_LOG_DEVICE },
    { "Cuda failure: CUDA driver version is insufficient for CUDA runtime version",
      "cuda-unavailable", TN_LOG_DEVICE },
    { "Cuda failure: no CUDA-capable device is detected", "cuda-unavailable", TN_LOG_DEVICE },
    { "Error reading CUDA GPU properties: In getCurrentCC at ... Ensure that the GPU driver is "
      "installed and up to date.",
      "cuda-unavailable", TN_LOG_DEVICE },
    { "IRuntime::deserializeCudaEngine: Error Code 1: Cuda Runtime (In ScopedCudaStream at ...)",
      "cuda-unavailable", TN_LOG_DEVICE },
    { MYELIN "myelin_graph.h:1295: attachExceptionMsgToGraph] MyelinCheckException: "
             "graph_jit.cpp:278: CHECK(status == CUDA_SUCCESS) failed. ...)",
      "cuda-unavailable", TN_LOG_DEVICE },
    { "Cuda failure: invalid device ordinal", "cuda-unavailable", TN_LOG_DEVICE },
    { "Cannot find device ID 7!", "cuda-unavailable", TN_LOG_DEVICE },
    { "LLVM ERROR: out of memory", "no-memory", TN_LOG_DEVICE },
    { "Cuda Error in allocate: 2 (out of memory)", "no-memory", TN_LOG_DEVICE },
    { "Cuda failure: out of memory", "no-memory", TN_LOG_DEVICE },
    { "Error Code 2: OutOfMemory (no further information)", "no-memory", TN_LOG_DEVICE },
    { "Unexpected exception std::bad_alloc", "no-memory", TN_LOG_DEVICE },
    { "cannot allocate memory for thread-local data: ABORT", "no-memory", TN_LOG_DEVICE },
    { "python: error while loading shared libraries: libm.so.6: failed to map segment from shared "
      "object",
      "no-memory", TN_LOG_DEVICE },
    { "FAILED_ALLOCATION: std::exception", "no-memory", TN_LOG_DEVICE },
    { "Unexpected Internal Error: Unexpected exception Resource temporarily unavailable",
      "no-memory", TN_LOG_DEVICE },
    { "Error Code 1: Cask (no further information)", "kernel-failed", TN_LOG_DEVICE },
    { "Cask Error in checkCaskExecError<false>: 10 (Cask Convolution execution)", "kernel-failed",
      TN_LOG_DEVICE },
    { "Error Code 7: BuildCanceled (Build canceled by user In next at ...)", "cancelled",
      TN_LOG_DEVICE },
    { "IBuilder: BuildCanceled", "cancelled", TN_LOG_DEVICE },
    { "Saving engine to file failed.", "not-written", TN_LOG_DEVICE },
    { "IBuilder::buildSerializedNetwork: Error Code 6: API Usage Error (Unable to load library: "
      "libnvinfer_builder_resource_sm90.so.10.15.1: ... cannot open shared object file ...)",
      "library-missing", TN_LOG_DEVICE },
    { "ImportError: libcublas.so.12: cannot open shared object file: No such file or directory",
      "library-missing", TN_LOG_DEVICE },
    { "Assertion validateCaskKLibSize(buffer.size) failed. Klib 0 failed validation",
      "library-missing", TN_LOG_DEVICE },
    { "Assertion nbKLibs > 0 failed", "library-missing", TN_LOG_DEVICE },

    /* after the reason */
    { "[checkMacros.cpp::catchCudaError::229] Error Code 1: Cuda Runtime (CUDA driver version is "
      "insufficient for CUDA runtime version)",
      "generic", TN_LOG_GENERIC },
    { "Engine deserialization failed", "generic", TN_LOG_GENERIC },
    { "Deserialize the cuda engine failed.", "generic", TN_LOG_GENERIC },
    { "Core engine deserialization failure", "generic", TN_LOG_GENERIC },
    { "INVALID_STATE: std::exception", "generic", TN_LOG_GENERIC },
    { "Error Code 2: Internal Error (Assertion engine != nullptr failed. )", "generic",
      TN_LOG_GENERIC },
    { "[runtime.cpp::deserializeCudaEngineEx::289] Error Code 2: Internal Error (Assertion iEngine "
      "failed. )",
      "generic", TN_LOG_GENERIC },
    { "2: [engine.cpp::deserializeEngine::951] Error Code 2: Internal Error (Assertion "
      "engine->deserialize(start, size, allocator, runtime) failed. )",
      "generic", TN_LOG_GENERIC },
    { "[E] Failed to get plan file version.", "generic", TN_LOG_GENERIC },
    { "Got invalid engine!", "generic", TN_LOG_GENERIC },
    { "Inference set up failed", "generic", TN_LOG_GENERIC },
    { "Engine set up failed", "generic", TN_LOG_GENERIC },
    { "Failed to create engine from model or file.", "generic", TN_LOG_GENERIC },
    { "Building engine failed", "generic", TN_LOG_GENERIC },
    { "Engine could not be created from network", "generic", TN_LOG_GENERIC },
    { "Failed to parse onnx file", "generic", TN_LOG_GENERIC },
    { "Parsing model failed", "generic", TN_LOG_GENERIC },
    { "Network And Config setup failed", "generic", TN_LOG_GENERIC },
};

TEST(classify__knows_the_lines_of_real_libraries)
{
    for (size_t i = 0; i < TN_COUNT(known); i++) {
        const struct tn_log_class *row = tn_log_classify(known[i].line);

        if (!row)
            fail_msg("no class for: %s", known[i].line);
        if (strcmp(row->name, known[i].name) != 0 || row->scope != known[i].scope)
            fail_msg("taken for %s by '%s': %s", row->name, row->fragment, known[i].line);
    }
}

TEST(classify__can_reach_every_row_of_its_table)
{
    size_t count;
    const struct tn_log_class *rows = tn_log_classes(&count);

    for (size_t i = 0; i < count; i++) {
        bool reached = false;

        for (size_t j = 0; j < TN_COUNT(known) && !reached; j++)
            reached = tn_log_classify(known[j].line) == &rows[i];
        if (!reached)
            fail_msg("no real line reaches the row '%s'", rows[i].fragment);
        assert_string_not_equal(rows[i].meaning, "");
        assert_string_not_equal(rows[i].cure, "");
    }
}

TEST(classify__has_no_class_for_what_it_does_not_know)
{
    assert_null(tn_log_classify(""));
    assert_null(tn_log_classify("Local timing cache in use."));
    assert_null(tn_log_classify("While parsing node number 0 [Det -> \"y\"]:"));
    assert_false(tn_log_lasting(NULL));
}

TEST(noise__is_what_surrounds_a_reason_and_never_a_reason)
{
    for (size_t i = 0; i < TN_COUNT(known); i++)
        assert_int_equal(tn_log_is_noise(known[i].line), known[i].scope == TN_LOG_GENERIC);
    assert_true(tn_log_is_noise(" \r\n"));
    assert_false(tn_log_is_noise("something new"));
}

TEST(lasting__holds_for_plan_rung_request_and_model)
{
    for (size_t i = 0; i < TN_COUNT(known); i++) {
        enum tn_log_scope scope = known[i].scope;
        bool lasting = scope == TN_LOG_PLAN || scope == TN_LOG_RUNG || scope == TN_LOG_REQUEST ||
                       scope == TN_LOG_MODEL;

        assert_int_equal(tn_log_lasting(tn_log_classify(known[i].line)), lasting);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classify__knows_the_lines_of_real_libraries),
        cmocka_unit_test(classify__can_reach_every_row_of_its_table),
        cmocka_unit_test(classify__has_no_class_for_what_it_does_not_know),
        cmocka_unit_test(noise__is_what_surrounds_a_reason_and_never_a_reason),
        cmocka_unit_test(lasting__holds_for_plan_rung_request_and_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
