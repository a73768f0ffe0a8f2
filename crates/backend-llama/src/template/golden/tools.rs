//! Families that call tools: how they are told of them, and how calls and results stand in the history.

use super::{TOOL, compile, render, turns, with_result, with_tool};

/// Hermes, Qwen 2.5 and 3, and many after them.
const QWEN: &str = r##"{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\n\n' }}
    {%- endif %}
    {{- "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}
        {{- message.content }}
        {{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"##;

#[test]
fn qwen_and_hermes() {
    let system = format!(
        "<|im_start|>system\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are \
         provided with function signatures within <tools></tools> XML tags:\n<tools>\n{TOOL}\n</tools>\n\nFor each \
         function call, return a json object with function name and arguments within <tool_call></tool_call> XML \
         tags:\n<tool_call>\n{{\"name\": <function-name>, \"arguments\": <args-json-object>}}\n</tool_call><|im_end|>\n\
         <|im_start|>user\nRome?<|im_end|>\n"
    );
    assert_eq!(render(QWEN, &with_tool()), format!("{system}<|im_start|>assistant\n"));
    let history = "<|im_start|>assistant\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n\
                   </tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\nsunny\n</tool_response><|im_end|>\n";
    assert_eq!(render(QWEN, &with_result()), format!("{system}{history}<|im_start|>assistant\n"));
    let plain = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
                 <|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\n1 < 2?<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(render(QWEN, &turns()), plain);
    assert!(compile(QWEN).knows_tools());
}

const LLAMA: &str = r#"{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none and tools is defined %}
    {{- "Environment: ipython\n" }}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- if tools is defined and tools is not none %}
    {%- set first_user_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
    {{- '<|start_header_id|>user<|end_header_id|>\n\n' -}}
    {{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.\n\n' }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
    {{- first_user_message + "<|eot_id|>" }}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"#;

/// The date is the one that the template carries: the day must not change a prompt.
#[test]
fn llama_3_1() {
    let head = |environment| {
        format!(
            "<s><|start_header_id|>system<|end_header_id|>\n\n{environment}Cutting Knowledge Date: December 2023\n\
             Today Date: 26 Jul 2024\n\n"
        )
    };
    let plain = "Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>\
                 <|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|>\
                 <|start_header_id|>user<|end_header_id|>\n\n1 < 2?<|eot_id|>\
                 <|start_header_id|>assistant<|end_header_id|>\n\n";
    assert_eq!(render(LLAMA, &turns()), format!("{}{plain}", head("")));
    let tool = "{\n    \"type\": \"function\",\n    \"function\": {\n        \"name\": \"weather\",\n        \
                \"description\": \"Tells the weather <now> & here.\",\n        \"parameters\": {\n            \
                \"type\": \"object\",\n            \"properties\": {\n                \"city\": {\n                    \
                \"type\": \"string\"\n                }\n            },\n            \"required\": [\n                \
                \"city\"\n            ]\n        }\n    }\n}";
    let tools = format!(
        "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nRespond in the format {{\"name\": function name, \
         \"parameters\": dictionary of argument name and its value}}.\n\n{tool}\n\nRome?<|eot_id|>"
    );
    let result = "<|start_header_id|>assistant<|end_header_id|>\n\n{\"name\": \"weather\", \"parameters\": {\"city\": \
                  \"Rome\"}}<|eot_id|><|start_header_id|>ipython<|end_header_id|>\n\nsunny<|eot_id|>\
                  <|start_header_id|>assistant<|end_header_id|>\n\n";
    assert_eq!(render(LLAMA, &with_result()), format!("{}{tools}{result}", head("Environment: ipython\n")));
}

/// Insists on ids of nine characters, and writes arguments as they are.
const MISTRAL: &str = r#"{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {%- if not loop.last %}
                {{- ", " }}
            {%- else %}
                {{- "]" + eos_token }}
            {%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token }}
    {%- elif message["role"] == "tool_results" or message["role"] == "tool" %}
        {{- '[TOOL_RESULTS] {"content": ' + message.content|string + ", " }}
        {{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
"#;

#[test]
fn mistral_v3() {
    let told = format!("[AVAILABLE_TOOLS] [{TOOL}][/AVAILABLE_TOOLS]");
    assert_eq!(render(MISTRAL, &with_tool()), format!("<s>{told}[INST] Rome?[/INST]"));
    let expected = format!(
        "<s>{told}[INST] Rome?[/INST][TOOL_CALLS] [{{\"name\": \"weather\", \"arguments\": {{\"city\": \"Rome\"}}, \
         \"id\": \"abc123def\"}}]</s>[TOOL_RESULTS] {{\"content\": sunny, \"call_id\": \"abc123def\"}}[/TOOL_RESULTS]"
    );
    assert_eq!(render(MISTRAL, &with_result()), expected);
    assert_eq!(render(MISTRAL, &turns()), "<s>[INST] Hi[/INST] Hello!</s>[INST] Be brief.\n\n1 < 2?[/INST]");
}

/// System message in brackets of its own.
#[test]
fn mistral_v7() {
    let source = r#"{{- bos_token }}{%- for message in messages %}{%- if message['role'] == 'user' %}{{- '[INST]' + message['content'] + '[/INST]' }}{%- elif message['role'] == 'system' %}{{- '[SYSTEM_PROMPT]' + message['content'] + '[/SYSTEM_PROMPT]' }}{%- elif message['role'] == 'assistant' %}{{- message['content'] + eos_token }}{%- else %}{{- raise_exception('Only user, system and assistant roles are supported!') }}{%- endif %}{%- endfor %}"#;
    let expected = "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Hi[/INST]Hello!</s>[INST]1 < 2?[/INST]";
    assert_eq!(render(source, &turns()), expected);
    assert!(!compile(source).knows_tools());
}

/// Adds the arguments to a text, so it wants them as one; and a content that is nothing where there are only calls.
#[test]
fn deepseek_v3() {
    let source = r#"{{ bos_token }}{% set ns = namespace(system='') %}{% for message in messages %}{% if message['role'] == 'system' %}{% set ns.system = message['content'] %}{% endif %}{% endfor %}{{ ns.system }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}{% elif message['role'] == 'assistant' and message['content'] is none %}{% for tool in message['tool_calls'] %}{{ '<｜Assistant｜><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] + '\n```json\n' + tool['function']['arguments'] + '\n```<｜tool▁call▁end｜>' }}{% endfor %}{{ '<｜tool▁calls▁end｜><｜end▁of▁sentence｜>' }}{% elif message['role'] == 'assistant' %}{{ '<｜Assistant｜>' + message['content'] + '<｜end▁of▁sentence｜>' }}{% elif message['role'] == 'tool' %}{{ '<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜><｜tool▁outputs▁end｜>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}"#;
    let expected = "<s><｜User｜>Rome?<｜Assistant｜><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n\
                    ```json\n{\"city\":\"Rome\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>\
                    <｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>sunny<｜tool▁output▁end｜><｜tool▁outputs▁end｜>\
                    <｜Assistant｜>";
    assert_eq!(render(source, &with_result()), expected);
    let plain = "<s>Be brief.<｜User｜>Hi<｜Assistant｜>Hello!<｜end▁of▁sentence｜><｜User｜>1 < 2?<｜Assistant｜>";
    assert_eq!(render(source, &turns()), plain);
}

/// Wants the content as a text, though there are only calls.
#[test]
fn granite_3() {
    let source = r#"{%- if tools %}{{- '<|start_of_role|>available_tools<|end_of_role|>\n' }}{%- for tool in tools %}{{- tool | tojson(indent=4) }}{%- if not loop.last %}{{- '\n\n' }}{%- endif %}{%- endfor %}{{- '<|end_of_text|>\n' }}{%- endif %}{%- for message in messages %}{%- if message['role'] == 'system' %}{{- '<|start_of_role|>system<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}{%- elif message['role'] == 'user' %}{{- '<|start_of_role|>user<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}{%- elif message['role'] == 'assistant' %}{{- '<|start_of_role|>assistant<|end_of_role|>' + message['content'] }}{%- if message.tool_calls %}{{- '<|tool_call|>[' }}{%- for call in message.tool_calls %}{{- {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}{%- endfor %}{{- ']' }}{%- endif %}{{- '<|end_of_text|>\n' }}{%- elif message['role'] == 'tool' %}{{- '<|start_of_role|>tool_response<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}{%- endif %}{%- if loop.last and add_generation_prompt %}{{- '<|start_of_role|>assistant<|end_of_role|>' }}{%- endif %}{%- endfor %}"#;
    let prompt = render(source, &with_result());
    let history = "<|start_of_role|>user<|end_of_role|>Rome?<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>\
                   <|tool_call|>[{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}]<|end_of_text|>\n\
                   <|start_of_role|>tool_response<|end_of_role|>sunny<|end_of_text|>\n\
                   <|start_of_role|>assistant<|end_of_role|>";
    assert!(prompt.ends_with(history), "{prompt}");
    let plain = "<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n\
                 <|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n\
                 <|start_of_role|>assistant<|end_of_role|>Hello!<|end_of_text|>\n\
                 <|start_of_role|>user<|end_of_role|>1 < 2?<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>";
    assert_eq!(render(source, &turns()), plain);
}

/// Writes each argument as an element: texts as they are, and everything else as JSON.
#[test]
fn qwen3_coder() {
    let source = r#"{%- for message in messages %}{%- if message.role == "assistant" and message.tool_calls is defined and message.tool_calls is iterable and message.tool_calls | length > 0 %}{{- '<|im_start|>assistant' }}{%- for tool_call in message.tool_calls %}{%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}{{- '\n<tool_call>\n<function=' + tool_call.name + '>\n' }}{%- if tool_call.arguments is defined %}{%- for args_name, args_value in tool_call.arguments|items %}{{- '<parameter=' + args_name + '>\n' }}{%- set args_value = args_value if args_value is string else args_value | tojson | safe %}{{- args_value }}{{- '\n</parameter>\n' }}{%- endfor %}{%- endif %}{{- '</function>\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\n' }}{%- elif message.role == "tool" %}{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response>\n<|im_end|>\n' }}{%- else %}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"#;
    let expected = "<|im_start|>user\nRome?<|im_end|>\n<|im_start|>assistant\n<tool_call>\n<function=weather>\n\
                    <parameter=city>\nRome\n</parameter>\n</function>\n</tool_call><|im_end|>\n\
                    <|im_start|>user\n<tool_response>\nsunny\n</tool_response>\n<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(render(source, &with_result()), expected);
}

/// The same with marks around the name and the value.
#[test]
fn glm_4_5() {
    let source = r#"[gMASK]<sop>{%- for m in messages %}{%- if m.role == 'user' %}<|user|>
{{ m.content }}{%- elif m.role == 'assistant' %}<|assistant|>{%- if m.content %}
{{ m.content }}{%- endif %}{%- for tc in m.tool_calls %}{%- if tc.function %}{%- set tc = tc.function %}{%- endif %}
{{ '\n<tool_call>' + tc.name }}
{% set _args = tc.arguments %}{% for k, v in _args.items() %}<arg_key>{{ k }}</arg_key>
<arg_value>{{ v | tojson(ensure_ascii=False) if v is not string else v }}</arg_value>
{% endfor %}</tool_call>{%- endfor %}{%- elif m.role == 'tool' %}<|observation|>
<tool_response>
{{ m.content }}
</tool_response>{%- elif m.role == 'system' %}<|system|>
{{ m.content }}{%- endif %}{%- endfor %}{%- if add_generation_prompt %}<|assistant|>{%- endif %}"#;
    let expected = "[gMASK]<sop><|user|>\nRome?<|assistant|>\n<tool_call>weather\n<arg_key>city</arg_key>\n\
                    <arg_value>Rome</arg_value>\n</tool_call><|observation|>\n<tool_response>\nsunny\n\
                    </tool_response><|assistant|>";
    assert_eq!(render(source, &with_result()), expected);
}

/// Names the tool that answers, which clients leave out.
#[test]
fn a_result_names_its_tool() {
    let source = "{% for m in messages %}{% if m.role == 'tool' %}{{ m.name }} ({{ m.tool_call_id }}): {{ m.content }}{% endif %}{% endfor %}";
    assert_eq!(render(source, &with_result()), "weather (abc123def): sunny");
}
