//! Families without tools: turns, system messages, white space.

use backend::{Chat, ChatMessage, Role};

use super::{compile, render, turns};

/// The turns without the system message.
fn without_system() -> Chat {
    Chat::new(turns().messages[1..].to_vec())
}

#[test]
fn llama_2() {
    let source = r"{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}";
    let expected = "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello! </s><s>[INST] 1 < 2? [/INST]";
    assert_eq!(render(source, &turns()), expected);
}

#[test]
fn mistral_v1() {
    let source = r"{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}{% if message['role'] == 'user' %}{{ ' [INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}";
    assert_eq!(render(source, &without_system()), "<s> [INST] Hi [/INST] Hello!</s> [INST] 1 < 2? [/INST]");
    let template = compile(source);
    assert_eq!(template.render(&template.input(&turns())), Err("Conversation roles must alternate".to_string()));
}

#[test]
fn gemma_3() {
    let source = r#"{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set first_user_prefix = messages[0]['content'] + '

' -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '
' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}{{ item['text'] | trim }}{%- endfor -%}
    {%- endif -%}
    {{ '<end_of_turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<start_of_turn>model
' }}
{%- endif -%}
"#;
    let expected = "<s><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>\n\
                    <start_of_turn>user\n1 < 2?<end_of_turn>\n<start_of_turn>model\n";
    assert_eq!(render(source, &turns()), expected);
}

#[test]
fn phi_4() {
    let source = r"{% for message in messages %}{% if (message['role'] == 'system') %}{{'<|im_start|>system<|im_sep|>' + message['content'] + '<|im_end|>'}}{% elif (message['role'] == 'user') %}{{'<|im_start|>user<|im_sep|>' + message['content'] + '<|im_end|>'}}{% elif (message['role'] == 'assistant') %}{{'<|im_start|>assistant<|im_sep|>' + message['content'] + '<|im_end|>'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}";
    let expected = "<|im_start|>system<|im_sep|>Be brief.<|im_end|><|im_start|>user<|im_sep|>Hi<|im_end|>\
                    <|im_start|>assistant<|im_sep|>Hello!<|im_end|><|im_start|>user<|im_sep|>1 < 2?<|im_end|>\
                    <|im_start|>assistant<|im_sep|>";
    assert_eq!(render(source, &turns()), expected);
}

#[test]
fn command_r() {
    let source = r"{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% elif false == true %}{% set loop_messages = messages %}{% set system_message = 'You are Command-R.' %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% if system_message != false %}{{ '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' + system_message + '<|END_OF_TURN_TOKEN|>' }}{% endif %}{% for message in loop_messages %}{% set content = message['content'] %}{% if message['role'] == 'user' %}{{ '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% elif message['role'] == 'assistant' %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}";
    let expected = "<s><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be brief.<|END_OF_TURN_TOKEN|>\
                    <|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hi<|END_OF_TURN_TOKEN|>\
                    <|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Hello!<|END_OF_TURN_TOKEN|>\
                    <|START_OF_TURN_TOKEN|><|USER_TOKEN|>1 < 2?<|END_OF_TURN_TOKEN|>\
                    <|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>";
    assert_eq!(render(source, &turns()), expected);
}

#[test]
fn zephyr() {
    let source = "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}";
    let expected = "<|system|>\nBe brief.</s>\n<|user|>\nHi</s>\n<|assistant|>\nHello!</s>\n<|user|>\n1 < 2?</s>\n\
                    <|assistant|>\n";
    assert_eq!(render(source, &turns()), expected);
}

#[test]
fn vicuna() {
    let source = r"{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] + ' ' }}{% set messages = messages[1:] %}{% endif %}{% for message in messages %}{% if message['role'] == 'user' %}{{ 'USER: ' + message['content'] + ' ' }}{% elif message['role'] == 'assistant' %}{{ 'ASSISTANT: ' + message['content'] + eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}";
    let expected = "Be brief. USER: Hi ASSISTANT: Hello!</s>USER: 1 < 2? ASSISTANT:";
    assert_eq!(render(source, &turns()), expected);
}

#[test]
fn falcon_3() {
    let source = "{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'assistant' %}{% if not loop.last %}{{ '<|assistant|>\n'  + message['content'] + eos_token + '\n' }}{% else %}{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% endif %}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}";
    let expected = "<|system|>\nBe brief.\n<|user|>\nHi\n<|assistant|>\nHello!</s>\n<|user|>\n1 < 2?\n<|assistant|>\n";
    assert_eq!(render(source, &turns()), expected);
}

/// A system message of its own where the conversation has none.
#[test]
fn smollm_2() {
    let source = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    let rest = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n\
                <|im_start|>user\n1 < 2?<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(render(source, &turns()), format!("<|im_start|>system\nBe brief.<|im_end|>\n{rest}"));
    let own = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM.<|im_end|>\n";
    assert_eq!(render(source, &without_system()), format!("{own}{rest}"));
}

#[test]
fn olmo() {
    let source = "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'assistant' %}{% if not loop.last %}{{ '<|assistant|>\n'  + message['content'] + eos_token + '\n' }}{% else %}{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% endif %}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}";
    let expected =
        "<s><|system|>\nBe brief.\n<|user|>\nHi\n<|assistant|>\nHello!</s>\n<|user|>\n1 < 2?\n<|assistant|>\n";
    assert_eq!(render(source, &turns()), expected);
}

#[test]
fn alpaca() {
    let source = r"{{ (messages|selectattr('role', 'equalto', 'system')|list|last).content|trim if (messages|selectattr('role', 'equalto', 'system')|list) else '' }}

{% for message in messages %}
{% if message['role'] == 'user' %}
### Instruction:
{{ message['content']|trim -}}
{% if not loop.last %}


{% endif %}
{% elif message['role'] == 'assistant' %}
### Response:
{{ message['content']|trim -}}
{% if not loop.last %}


{% endif %}
{% endif %}
{% endfor %}
{% if add_generation_prompt and messages[-1]['role'] != 'assistant' %}
### Response:
{% endif %}";
    let prompt = render(source, &turns());
    let expected =
        "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello!\n\n### Instruction:\n1 < 2?### Response:\n";
    assert_eq!(prompt, expected);
}

/// Turns are joined by the tokens themselves, and a dictionary says which.
#[test]
fn openchat() {
    let source = r"{{ bos_token }}{% for message in messages %}{{ {'system': '', 'user': 'GPT4 Correct User: ', 'assistant': 'GPT4 Correct Assistant: '}[message['role']] + message['content'] + '<|end_of_turn|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'GPT4 Correct Assistant:' }}{% endif %}";
    let expected = "<s>Be brief.<|end_of_turn|>GPT4 Correct User: Hi<|end_of_turn|>\
                    GPT4 Correct Assistant: Hello!<|end_of_turn|>GPT4 Correct User: 1 < 2?<|end_of_turn|>\
                    GPT4 Correct Assistant:";
    assert_eq!(render(source, &turns()), expected);
}

/// What a user writes is never a template.
#[test]
fn contents_are_not_rendered_again() {
    let chat = Chat::new(vec![ChatMessage::new(Role::User, "{{ bos_token }}{% if %} & <b>")]);
    assert_eq!(render("{{ messages[0].content }}", &chat), "{{ bos_token }}{% if %} & <b>");
}
