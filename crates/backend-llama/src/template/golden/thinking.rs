//! Families that think first.

use backend::{Chat, ChatMessage, Role};

use super::{render, turns};

/// Turns in which the model thought, once as a field and once in the content.
fn thoughts() -> Chat {
    let mut chat = turns();
    chat.messages[2].reasoning = Some("Greet.".into());
    chat
}

/// Thoughts of earlier turns are left out, and the next one is begun in the prompt.
#[test]
fn deepseek_r1() {
    let source = r"{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }}{% elif message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}{% elif message['role'] == 'assistant' %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{ '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{% endif %}";
    let expected =
        "<s>Be brief.<｜User｜>Hi<｜Assistant｜>Hello!<｜end▁of▁sentence｜><｜User｜>1 < 2?<｜Assistant｜><think>\n";
    assert_eq!(render(source, &thoughts()), expected);
    let mut written = turns();
    written.messages[2].content = "<think>Greet.</think>Hello!".into();
    assert_eq!(render(source, &written), expected);
}

/// Thoughts stay where nobody has asked since.
#[test]
fn qwen_3() {
    let source = r"{%- set ns = namespace(last_query_index=messages|length - 1, found=false) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if not ns.found and message.role == 'user' and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.found = true %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role != 'assistant' %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- else %}
        {%- set content = message.content %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is defined and message.reasoning_content is not none %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- elif '</think>' in message.content %}
            {%- set content = message.content.split('</think>')[-1].lstrip('\n') %}
            {%- set reasoning_content = message.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and reasoning_content %}
            {{- '<|im_start|>assistant\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {%- else %}
            {{- '<|im_start|>assistant\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}";
    let head = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n";
    let expected = format!(
        "{head}<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\n1 < 2?<|im_end|>\n<|im_start|>assistant\n"
    );
    assert_eq!(render(source, &thoughts()), expected);
    let mut open = thoughts();
    open.messages.truncate(3);
    let kept = "<|im_start|>assistant\n<think>\nGreet.\n</think>\n\nHello!<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(render(source, &open), format!("{head}{kept}"));
    open.messages[2] = ChatMessage::new(Role::Assistant, "<think>\nGreet.\n</think>\n\nHello!");
    assert_eq!(render(source, &open), format!("{head}{kept}"), "written into the content");
}

/// Channels, and a date that the template does not do without.
#[test]
fn gpt_oss() {
    let source = r"{%- macro build_system_message() -%}
{{- 'You are ChatGPT, a large language model trained by OpenAI.\n' }}
{{- 'Knowledge cutoff: 2024-06\n' }}
{{- 'Current date: ' + strftime_now('%Y-%m-%d') + '\n\n' }}
{{- 'Reasoning: ' + (reasoning_effort if reasoning_effort is defined else 'medium') + '\n\n' }}
{{- '# Valid channels: analysis, commentary, final. Channel must be included for every message.' }}
{%- endmacro -%}
{{- '<|start|>system<|message|>' + build_system_message() + '<|end|>' }}
{%- if messages[0].role == 'system' %}
    {{- '<|start|>developer<|message|># Instructions\n\n' + messages[0].content + '\n\n<|end|>' }}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- for message in loop_messages -%}
    {%- if message.role == 'assistant' -%}
        {{- '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|end|>' }}
    {%- else -%}
        {{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<|start|>assistant
{%- endif -%}";
    let prompt = render(source, &thoughts());
    let (head, rest) = prompt.split_once("Current date: ").expect("a date is told");
    let begin = "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n\
                 Knowledge cutoff: 2024-06\n";
    assert_eq!(head, begin);
    let (date, rest) = rest.split_once('\n').expect("the line ends");
    let digits = date.split('-').map(str::len).collect::<Vec<_>>();
    assert_eq!(digits, [4, 2, 2], "{date}");
    let expected = "\nReasoning: medium\n\n# Valid channels: analysis, commentary, final. Channel must be included for \
                    every message.<|end|><|start|>developer<|message|># Instructions\n\nBe brief.\n\n<|end|>\
                    <|start|>user<|message|>Hi<|end|><|start|>assistant<|channel|>final<|message|>Hello!<|end|>\
                    <|start|>user<|message|>1 < 2?<|end|><|start|>assistant";
    assert_eq!(rest, expected);
}
